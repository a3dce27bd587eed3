"""The names of the proxies, here and in other packages."""

from __future__ import annotations

import pytest
from torch import nn

from nni_rankreg.proxy import PROXIES, ProxyScorer, find_proxy, proxy_names


def test_names():
    names = ['flops', 'params', 'snip', 'grad_norm', 'grasp', 'synflow', 'fisher', 'jacov',
             'naswot', 'zen', 'l2_norm', 'epe_nas', 'plain']
    assert sorted(proxy_names()) == sorted(names)
    with pytest.raises(ValueError, match=r"Expected a proxy among \['flops', .*, got 'Zen'"):
        find_proxy('Zen')


class Entry:
    """An entry point of another package."""

    def __init__(self, name, function):
        self.name, self.load = name, lambda: function


def test_proxies_of_other_packages(monkeypatch, make_space, batch, sample):
    def depth(network, batch, *, seed=0, factor=1.):
        return factor * sum(isinstance(one, nn.Conv2d) for one in network.modules()) + seed

    entries = [Entry('depth', depth), Entry('snip', depth)]
    monkeypatch.setattr('nni_rankreg.proxy.registry.entry_points', lambda group: entries)
    assert proxy_names()[-1] == 'depth' and proxy_names().count('snip') == 1
    assert find_proxy('snip') is PROXIES['snip']
    space = make_space()
    assert ProxyScorer('depth', space, batch)([sample]).tolist() == [16.]
    scorer = ProxyScorer('depth', space, batch, options={'factor': 2.}, seed=3)
    assert scorer([sample]).tolist() == [35.]
