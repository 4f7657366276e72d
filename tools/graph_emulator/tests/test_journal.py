from graph_emulator.state.journal import Journal, restore
from graph_emulator.state.ledger import Ledger


async def test_the_ledger_outlives_the_process(rig, tmp_path):
    path = tmp_path / "ledger.jsonl"
    journal = Journal(path)
    rig.emulator.ledger.write_line = journal.write
    rig.receiver.answers = [503]
    await rig.inbound("h\N{LATIN SMALL LETTER A WITH DIAERESIS}")
    await rig.quiet()
    await rig.accepted(biz_opaque_callback_data="mine")
    await rig.quiet()
    journal.close()
    with path.open("a", encoding="utf-8") as file:
        file.write('{"entry": "received", "seq"')
    known, restored = rig.emulator.ledger, Ledger()
    assert restore(path, restored) == 6
    assert [entry.view() for entry in restored.received_after(None, 0)] == [
        entry.view() for entry in known.received_after(None, 0)
    ]
    assert [entry.view() for entry in restored.sent_after(None, 0)] == [
        entry.view() for entry in known.sent_after(None, 0)
    ]
    assert (restored.seq, restored.settled) == (known.seq, known.settled)


def test_a_file_that_is_not_there_yet(tmp_path):
    assert restore(tmp_path / "none.jsonl", Ledger()) == 0
