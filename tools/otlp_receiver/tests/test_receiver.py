"""The receiver, with OpenTelemetry's own exporter on the other side."""

import asyncio

import pytest
from aiohttp import ClientSession
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from otlp_receiver.app import running_receiver
from otlp_receiver.spans import NotUnderstood, read
from otlp_receiver.traces import Traces, waterfall


def send_two(base_url, compression):
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    exporter = OTLPSpanExporter(f"{base_url}/v1/traces", compression=compression)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("t")
    with tracer.start_as_current_span("outer", attributes={"n": 3}), tracer.start_as_current_span("inner"):
        pass
    provider.shutdown()


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
async def test_what_opentelemetry_sends_is_there(compression):
    said = []
    async with running_receiver(say=said.append) as receiver, ClientSession() as http:
        await asyncio.to_thread(send_two, receiver.base_url, compression)
        (listed,) = (await (await http.get(f"{receiver.base_url}/traces")).json())["traces"]
        assert (listed["root"], listed["spans"], listed["services"]) == ("outer", 2, ["shop"])
        one = await (await http.get(f"{receiver.base_url}/traces/{listed['traceId']}")).json()
        outer, inner = one["spans"]
        assert (inner["parent_id"], outer["attributes"]) == (outer["span_id"], {"n": 3})
        drawn = await (await http.get(f"{receiver.base_url}/traces/{listed['traceId']}?as=text")).text()
        assert [line.split("  ")[-1].strip() for line in drawn.splitlines()] == ["shop: outer", "shop: inner"]
        assert (await http.get(f"{receiver.base_url}/traces/none")).status == 404
        async with asyncio.timeout(10):
            while not said:
                await asyncio.sleep(0.05)
        assert "shop: inner" in said[0]


async def test_what_is_no_export_is_refused():
    async with running_receiver() as receiver, ClientSession() as http:
        answer = await http.post(f"{receiver.base_url}/v1/traces", data=b"{not protobuf")
        assert answer.status == 400
    with pytest.raises(NotUnderstood):
        read(b"not gzip", gzipped=True)


def test_the_oldest_is_forgotten_and_counted():
    from otlp_receiver.spans import Span

    traces = Traces(most=2)
    for number in range(3):
        traces.add([Span(f"t{number}", "s", "", "n", "server", "x", 1, 2, failed=False, attributes={})])
    assert (traces.ids(), traces.forgotten, traces.received) == (["t1", "t2"], 1, 3)


def test_a_part_whose_whole_is_not_there_is_drawn_as_a_root():
    from otlp_receiver.spans import Span

    lines = waterfall([Span("t", "s", "gone", "n", "server", "x", 1, 2, failed=True, attributes={})])
    assert lines[0].endswith("x: n FAILED")
    assert waterfall([]) == []
