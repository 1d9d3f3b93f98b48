"""The file store on real LittleFS and FAT, as boards have them, on a block device in RAM."""

import pytest


@pytest.mark.parametrize("system", ["VfsLfs2", "VfsFat"])
def test_the_store_on_a_boards_file_system(micropython, system):
    events = {name: values for name, *values in micropython().run("flash.limits", system=system, blocks=256)}
    assert events["size"][0] <= 8192 + 9 + 12 + 23 and events["size"][1] == 0, "written anew before it grows too long"
    assert events["full"] == [[-2], 20], "refused and told so, or accepted"
    assert events["again"] == [True]
    assert events["written"][0] < 8, "blocks a record"


def test_a_power_cut_after_every_block_on_littlefs(micropython):
    events = micropython().run("flash.cuts", system="VfsLfs2", blocks=256, count=30)
    ((name, cuts),) = events
    assert name == "cuts" and cuts > 60
