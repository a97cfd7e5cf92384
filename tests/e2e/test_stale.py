"""Who still points to what is gone: --stale-pointer, of cores by the kernel."""

import re

import pytest

from support import crashers

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("stale"))


def references(snapshot):
    """What holds it, with its owner: {text: note}."""
    notes = snapshot.get("annotations", {}).get("stale pointer", [])
    notes = [note if isinstance(note, dict) else {"text": note}
             for note in (notes if isinstance(notes, list) else [notes])]
    assert snapshot["attributes"]["stale.references"] == len(notes)
    return {note["text"].partition(" holds ")[0]: note for note in notes}


def number(note):
    return int(re.search(r" holds (0x[0-9a-f]+)", note["text"])[1], 16)


@pytest.mark.parametrize("way", ["twice", "mapped"])
def test_every_holder_is_found_and_named_by_its_type(dead, look, way):
    core, _ = dead.core("holders", way)
    snapshot = look("--stale-pointer", "--core", core)
    found = references(snapshot)
    # Through globals, an array, members of structures behind pointers, and round a circle.
    for name in ("g_table[5]", "g_session->peers[2]", "g_session->up->list.first", "gone", "peer"):
        assert name in found
    gone = number(found["g_table[5]"])
    assert all(number(note) == gone for name, note in found.items() if name != "g_last")
    # A pointer into its middle.
    assert number(found["g_last"]) == gone + 32
    # Variables say whose they are.
    for name, function in (("gone", "main"), ("peer", "other")):
        frame = snapshot["threads"][found[name]["thread"]]["stack"][found[name]["frame"]]
        assert (frame["funcName"] == function or way == "mapped") and \
            found[name]["variable"] == name
    # What nobody has a name for is told as memory; lists of the allocator are no holders.
    for name in found:
        assert re.fullmatch(r"\w+(\[\d+\])?((->|\.)\w+(\[\d+\])?)*|"
                            r"0x[0-9a-f]+ in the stack of thread \d+( -> [+-]\d+)?", name)
    assert any("stack of thread" in name for name in found)


def test_registers_hold_it_too(dead, look):
    core, _ = dead.core("holders", "mapped")
    found = references(look("--stale-pointer", "--core", core))
    assert "rax" in found and found["rax"]["frame"] == 0


def test_a_wild_address_is_searched_for_itself(dead, look):
    core, _ = dead.core("holders", "wild")
    found = references(look("--stale-pointer", "--core", core))
    assert all(number(note) == 0x4141414141414141 for note in found.values())


def test_nothing_is_searched_for_without_the_option_or_without_an_address(dead, look):
    core, _ = dead.core("holders", "mapped")
    assert "stale.references" not in look("--core", core)["attributes"]
    core, _ = dead.core("verdicts", "null_read")
    assert "stale.references" not in look("--stale-pointer", "--core", core)["attributes"]


def test_without_debug_information_symbols_name_the_holders(dead, look):
    core, _ = dead.core("holders-plain", "twice")
    found = references(look("--stale-pointer", "--core", core))
    assert "g_table+40" in found and "g_session -> +24" in found
