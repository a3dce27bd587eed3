"""The network of NAO against exhaustive enumeration and a naive double loop."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
import torch
from scipy.stats import chisquare

from nni_rankreg.predictor.autoencoder import SequenceAutoEncoder

SIZES = (2, 3, 2)
FIRST = (0, 2, 5)
SEQUENCES = torch.tensor(list(itertools.product((0, 1), (2, 3, 4), (5, 6))))


@pytest.fixture
def network():
    mask = torch.zeros(3, 7, dtype=torch.bool)
    for position, (first, size) in enumerate(zip(FIRST, SIZES)):
        mask[position, first:first + size] = True
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SequenceAutoEncoder(mask, width=8, hidden=4).eval()
        for parameter in network.parameters():
            parameter.data *= 4  # far from uniform
    return network.requires_grad_(False)


def log_probabilities(network, embedding):
    """Return log P(x | embedding) of each of the 12 sequences, for a single embedding."""
    logits = network.logits(embedding.expand(12, -1, -1), SEQUENCES)
    return logits.log_softmax(-1).gather(-1, SEQUENCES[..., None]).sum((1, 2))


def test_probabilities_of_all_sequences_add_up_to_one(network):
    """They would not if a token were seen before it is predicted, or a vocabulary were wrong."""
    for sequence in SEQUENCES:
        probabilities = log_probabilities(network, network.encode(sequence[None])).exp()
        assert probabilities.sum().item() == pytest.approx(1., abs=1e-5)
        assert probabilities.max() > 0.15  # of 12: not the uniform distribution


def test_attention_and_teacher_forcing_against_a_double_loop(network):
    embedding, tokens = network.encode(SEQUENCES), SEQUENCES.flip(0)
    weight, bias = network.head.weight, network.head.bias
    logits = network.logits(embedding, tokens)
    for row in range(12):
        state = (embedding[row, -1].view(1, 1, -1),) * 2
        for position in range(3):
            before = tokens[row, position - 1] if position else torch.tensor(7)
            _, state = network.decoder(network.tokens(before).view(1, 1, -1), state)
            s = state[0].flatten()
            shares = torch.tensor([float(s @ e) for e in embedding[row]]).exp()
            context = sum(share * e for share, e in zip(shares / shares.sum(), embedding[row]))
            for token in range(7):
                inside = FIRST[position] <= token < FIRST[position] + SIZES[position]
                expected = weight[token] @ torch.cat([s, context]) + bias[token]
                assert logits[row, position, token].item() == (
                    pytest.approx(expected.item(), abs=1e-4) if inside else -torch.inf)


def test_greedy_generation_takes_the_most_probable_token_each_time(network):
    embedding = network.encode(SEQUENCES)
    generated = network.generate(embedding)
    again = network.logits(embedding, generated).argmax(-1)
    assert torch.equal(generated, again)
    assert len(set(map(tuple, generated.tolist()))) > 1


def test_drawn_sequences_have_the_probabilities_of_the_decoder(network):
    embedding = network.encode(SEQUENCES[:1])
    generator = torch.Generator().manual_seed(2)
    drawn = network.generate(embedding.expand(6000, -1, -1), generator)
    counts = Counter(map(tuple, drawn.tolist()))
    expected = log_probabilities(network, embedding).exp().double()
    observed = [counts[tuple(sequence)] for sequence in SEQUENCES.tolist()]
    assert sum(observed) == 6000
    assert chisquare(observed, (expected / expected.sum() * 6000).tolist()).pvalue > 1e-3


def test_embedding_has_unit_length_and_the_prediction_is_of_its_mean(network):
    embedding = network.encode(SEQUENCES)
    assert embedding.shape == (12, 3, 8)
    torch.testing.assert_close(embedding.norm(dim=-1), torch.ones(12, 3))
    flipped = network.predict(embedding.flip(1))
    torch.testing.assert_close(network.predict(embedding), flipped)
    assert flipped.shape == (12,) and len(set(flipped.tolist())) > 1
