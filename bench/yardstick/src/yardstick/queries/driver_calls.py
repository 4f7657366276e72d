"""Finds the calls of MongoDB's driver in source code. Pure.

What is found are names: every attribute with the name of one of the driver's methods, whether it is called or only
handed on, every operation of a bulk write, and every `getattr` that may hide one. So a query cannot be added without a
place in the list; something else with such a name has to be listed by hand.
"""

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

READS: Final = frozenset(
    {
        *("find", "find_one", "find_raw_batches", "aggregate", "aggregate_raw_batches"),
        *("distinct", "count_documents", "estimated_document_count", "watch"),
    }
)
WRITES: Final = frozenset(
    {
        *("insert_one", "insert_many", "update_one", "update_many", "replace_one", "delete_one", "delete_many"),
        *("bulk_write", "find_one_and_update", "find_one_and_replace", "find_one_and_delete"),
    }
)
COMMANDS: Final = frozenset({"command", "cursor_command", "run_raw_command"})
OPERATIONS: Final = frozenset(["InsertOne", "ReplaceOne", "UpdateOne", "UpdateMany", "DeleteOne", "DeleteMany"])
"""Parts of a bulk write. What its name is where it is imported does not matter: an import with another name is told."""

_METHODS: Final = READS | WRITES | COMMANDS
_DRIVER: Final = ("common.mongo", "pymongo")


@dataclass(frozen=True, slots=True)
class DriverCall:
    """One place in the code. `number` counts those of one method in one function."""

    module: str
    function: str
    method: str
    first_line: int
    last_line: int
    number: int = 1

    @property
    def name(self) -> str:
        """Its name, which does not change when lines are added above it."""
        nth = f"#{self.number}" if self.number > 1 else ""
        return f"{self.module}:{self.function}:{self.method}{nth}"

    @property
    def looks(self) -> bool:
        """Whether it looks for documents, so that MongoDB makes a plan for it."""
        return self.method in _LOOKING


_LOOKING: Final = (READS | WRITES) - {"insert_one", "insert_many", "bulk_write", "estimated_document_count"}
"""A bulk write may have insertions alone; its other parts are places of their own."""


def calls_in(source: str, module: str) -> list[DriverCall]:
    """The calls in a module, in the order of their lines."""
    tree = ast.parse(source)
    found = sorted(_Finder(module, tree).calls(), key=lambda call: (call.first_line, call.last_line))
    counted: Counter[tuple[str, str]] = Counter()
    numbered = []
    for call in found:
        counted[call.function, call.method] += 1
        numbered.append(replace(call, number=counted[call.function, call.method]))
    return numbered


class _Finder:
    def __init__(self, module: str, tree: ast.Module) -> None:
        self._module = module
        self._tree = tree
        imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        self._has_driver = any(name.startswith(_DRIVER) for name in imported)

    def calls(self) -> Iterator[DriverCall]:
        yield from self._within(self._tree, ())

    def _within(self, node: ast.AST, path: Sequence[str]) -> Iterator[DriverCall]:
        for child in _children(node):
            method = self._method(child)
            if method is not None:
                around: Any = node if isinstance(node, ast.Call) and node.func is child else child
                function = ".".join(path) or "<module>"
                yield DriverCall(self._module, function, method, around.lineno, around.end_lineno)
            inner = [child.name] if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else []
            yield from self._within(child, (*path, *inner))

    def _method(self, node: ast.AST) -> str | None:
        """The driver's method that this part of the code may be, or None."""
        match node:
            case ast.Attribute(attr=name) if name in _METHODS | OPERATIONS:
                return name
            case ast.Name(id=name, ctx=ast.Load()) if name in OPERATIONS:
                return name
            case ast.alias(name=name, asname=str(other)) if name in OPERATIONS and other != name:
                return name
            case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]):
                return name if name in _METHODS | OPERATIONS else None
            case ast.Call(func=ast.Name(id="getattr")) if self._has_driver:
                return "getattr"
        return None


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """All parts but types: those of arguments, results and variables run nothing."""
    types = {id(getattr(node, name, None)) for name in ("annotation", "returns")}
    return (child for child in ast.iter_child_nodes(node) if id(child) not in types)
