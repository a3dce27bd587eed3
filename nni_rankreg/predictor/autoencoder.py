"""The network of neural architecture optimisation: encoder, predictor and decoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ['SequenceAutoEncoder']


class SequenceAutoEncoder(nn.Module):
    r"""LSTM encoder, performance predictor and LSTM decoder with attention over token sequences.

    The embedding of a sequence are the hidden states of the encoder, each of unit length. The
    predictor is a perceptron on their mean. The decoder starts from the last of them; its states
    :math:`s_r` attend to the embedding :math:`e` by scalar products,
    :math:`c_r = \sum_t \mathrm{softmax}_t(s_r \cdot e_t) \, e_t`, and the token at position r has
    the probability :math:`\mathrm{softmax}(W [s_r, c_r])` over the vocabulary of the position.

    Source: Luo et al., "Neural Architecture Optimization", NeurIPS 2018, Section 3.

    Parameters
    ----------
    mask
        Vocabulary of each position, bool, shape (T, tokens).
    width
        Size D of token embeddings and LSTM states.
    hidden
        Size of the predictor's hidden layer.
    dropout
        Probability, in the predictor.

    Examples
    --------
    >>> mask = torch.tensor([[True, True, False, False], [False, False, True, True]])
    >>> network = SequenceAutoEncoder(mask)
    >>> embedding = network.encode(torch.tensor([[0, 3]]))
    >>> embedding.shape, network.predict(embedding).shape
    (torch.Size([1, 2, 64]), torch.Size([1]))
    >>> network.generate(embedding).shape
    torch.Size([1, 2])
    """

    def __init__(self, mask: Tensor, *, width: int = 64, hidden: int = 64, dropout: float = 0.1):
        super().__init__()
        self.mask: Tensor
        self.register_buffer('mask', mask)
        tokens = mask.shape[1]
        self.tokens = nn.Embedding(tokens + 1, width)  # the last one starts the decoder
        self.encoder = nn.LSTM(width, width, batch_first=True)
        self.predictor = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout),
                                       nn.Linear(hidden, 1), nn.Sigmoid())
        self.decoder = nn.LSTM(width, width, batch_first=True)
        self.head = nn.Linear(2 * width, tokens)

    def encode(self, tokens: Tensor) -> Tensor:
        """Return embeddings, shape (N, T, D), of token sequences, shape (N, T)."""
        return F.normalize(self.encoder(self.tokens(tokens))[0], dim=-1)

    def predict(self, embedding: Tensor) -> Tensor:
        """Return the predicted performance in (0, 1), shape (N,)."""
        return self.predictor(embedding.mean(1)).squeeze(1)

    def logits(self, embedding: Tensor, tokens: Tensor) -> Tensor:
        """Return the decoder's logits, shape (N, T, tokens), -inf outside of each vocabulary.

        Parameters
        ----------
        embedding
            Shape (N, T, D).
        tokens
            The sequences to be reproduced, shape (N, T); each logit depends on those before it.
        """
        previous = torch.cat([self._start(len(tokens)), tokens[:, :-1]], dim=1)
        return self._step(embedding, previous, self._state(embedding), self.mask)[0]

    def generate(self, embedding: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return token sequences, shape (N, T), each token in the vocabulary of its position.

        Parameters
        ----------
        embedding
            Shape (N, T, D).
        generator
            Draws the tokens from their probabilities; None takes the most probable ones.
        """
        generated, state = [self._start(len(embedding))], self._state(embedding)
        for row in self.mask:
            logits, state = self._step(embedding, generated[-1], state, row)
            generated.append(
                logits.argmax(-1) if generator is None
                else torch.multinomial(logits[:, 0].softmax(-1), 1, generator=generator))
        return torch.cat(generated[1:], dim=1)

    def _start(self, count: int) -> Tensor:
        return torch.full((count, 1), self.tokens.num_embeddings - 1)

    def _state(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        last = embedding[None, :, -1].contiguous()
        return last, last

    def _step(self, embedding: Tensor, previous: Tensor, state: tuple[Tensor, Tensor],
              mask: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the logits after some more tokens, and the decoder's next state."""
        states, state = self.decoder(self.tokens(previous), state)
        attention = (states @ embedding.transpose(1, 2)).softmax(-1)
        logits = self.head(torch.cat([states, attention @ embedding], dim=-1))
        return logits.masked_fill(~mask, -torch.inf), state
