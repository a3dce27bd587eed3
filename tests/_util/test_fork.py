"""Work divided among processes, against the loop; and what may go wrong in one."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest
import torch

from nni_rankreg._util.fork import fork_map

linux = pytest.mark.skipif(sys.platform != 'linux', reason='forks on Linux only')


@pytest.mark.parametrize('processes', [1, 2, 3])
@pytest.mark.parametrize('count', [0, 1, 2, 40])
def test_results_are_in_order(processes, count):
    assert fork_map(lambda item: item ** 2, range(count), processes) == [
        item ** 2 for item in range(count)]


@linux
def test_every_process_computes_on_one_thread_with_the_memory_of_this_one():
    torch.set_num_threads(2)
    weight = torch.full((200, 200), 2.)
    assert (weight @ weight)[0, 0] == 800  # the threads of this process have been used
    found = []

    def compute(item):
        time.sleep(.02)
        found.append(item)
        return os.getpid(), torch.get_num_threads(), (weight @ weight)[0, 0].item() + item

    pids, threads, values = zip(*fork_map(compute, range(32), 2))
    assert len(set(pids)) == 2 and os.getpid() not in pids and set(threads) == {1}
    assert values == tuple(800. + item for item in range(32))
    assert not found and torch.get_num_threads() == 2


def test_one_process_is_this_one():
    assert set(fork_map(lambda item: os.getpid(), range(3), 1)) == {os.getpid()}


def test_without_forking_this_process_does_it_all(monkeypatch):
    monkeypatch.setattr(sys, 'platform', 'darwin')
    assert set(fork_map(lambda item: os.getpid(), range(3), 2)) == {os.getpid()}


@pytest.mark.parametrize('processes', [1, 2])
def test_progress_sees_the_results(processes):
    seen = []

    def progress(results):
        for result in results:
            seen.append(result)
            yield result

    assert fork_map(abs, [-1, -2, -3], processes, progress) == seen == [1, 2, 3]


@pytest.mark.parametrize('processes', [1, 2])
def test_errors_reach_the_caller(processes):
    def compute(item):
        raise KeyError(f'of {item}')

    with pytest.raises(KeyError, match='of 0'):
        fork_map(compute, range(8), processes)


@linux
def test_a_process_that_is_killed_is_an_error():
    """Not a wait without end."""
    def compute(item):
        if item == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(RuntimeError, match='Expected 2 processes to do the work, got one .*killed'):
        fork_map(compute, range(8), 2)


@pytest.fixture
def interruptible():
    """React to interrupts, which programs ignore that a shell starts in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@linux
def test_an_interrupt_ends_all_processes(tmp_path, interruptible):
    def compute(item):
        (tmp_path / str(os.getpid())).touch()
        time.sleep(.05)

    def interrupt():
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        fork_map(compute, range(2_000), 2)  # would take most of a minute
    thread.join()
    pids = [int(path.name) for path in tmp_path.iterdir()]
    assert len(pids) == 2 and not any(map(is_alive, pids))


@linux
def test_processes_end_with_this_one(tmp_path):
    """Killed, this process cannot end them."""
    def compute(item):
        (tmp_path / str(os.getpid())).touch()
        time.sleep(60)

    child = os.fork()
    if not child:
        fork_map(compute, range(2), 2)
    while len(list(tmp_path.iterdir())) < 2:
        time.sleep(.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pids = [int(path.name) for path in tmp_path.iterdir()]
    deadline = time.monotonic() + 30
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(.01)
    assert not any(map(is_alive, pids))


def is_alive(pid):
    """Return whether a process runs; one that nobody has waited for is dead as well."""
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii') as file:
            return file.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except FileNotFoundError:
        return False
