"""Starts without the garbage collector: it must be back afterwards, whatever happened."""

import gc

import pytest

from kcloud_cli.starting import nothing_collected


def test_the_collector_rests_within_the_block_and_works_after_it() -> None:
    with nothing_collected():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_works_again_after_a_start_that_failed() -> None:
    with pytest.raises(ImportError), nothing_collected():
        raise ImportError
    assert gc.isenabled()
