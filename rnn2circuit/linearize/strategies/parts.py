"""Decaying parts of any system: Gramians exist for those only."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from rnn2circuit.arrays import Matrix
from rnn2circuit.linearize.statespace import eigenvalues_of, stability_of
from rnn2circuit.linearize.strategies.factors import coupling_between, decaying_first, inverse

Treatment: TypeAlias = Literal["stable", "split", "shifted"]

# Decaying and growing modes are separated where no mode lies within this share of the norm of A
# of the imaginary axis, and where the separated coordinates are no worse conditioned than this.
# Beyond either, a Gramian of each side would be ruled by round-off.
AXIS = 1e-4
SEPARABLE = 1e4
# A shifted system decays at least by this share of the rms rate of A.
SHIFT = 0.25


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """An invariant part of ``x' = A x``: ``left A right = sign (decaying + shift I)``.

    Attributes
    ----------
    right, left : ndarray, shape (n, k) and (k, n)
        Basis of the part, and its coordinates: ``left right = I``.
    decaying : ndarray, shape (k, k)
        Hurwitz.
    sign : float
        -1 where the part grows and is looked at backwards in time.
    shift : float
        Rate that was taken off so that what is left decays.
    """

    right: Matrix
    left: Matrix
    decaying: Matrix
    sign: float = 1.0
    shift: float = 0.0

    def restored(self, a: Matrix) -> Matrix:
        """The true state matrix of coordinates in which `decaying` has become `a`."""
        return self.sign * (a + self.shift * np.eye(len(a)))


def decaying_parts(a: Matrix) -> tuple[Treatment, tuple[Part, ...]]:
    """One part where A decays; else a decaying and a growing one; else one, shifted.

    The growing part runs backwards in time, in which it decays. A mode on the imaginary axis
    decays in neither direction: then the whole is shifted by a real rate.
    """
    n = len(a)
    eye = np.eye(n)
    if stability_of(a, eigenvalues_of(a)) == "stable":
        return "stable", (Part(right=eye, left=eye, decaying=a),)
    norm = float(np.linalg.norm(a))
    modes = np.linalg.eigvals(a)
    if norm > 0 and float(np.abs(modes.real).min()) > AXIS * norm:
        parts = _separated(a)
        if np.linalg.cond(np.hstack([p.right for p in parts])) <= SEPARABLE:
            return "split", parts
    shift = beyond(a)
    return "shifted", (Part(right=eye, left=eye, decaying=a - shift * eye, shift=shift),)


def beyond(a: Matrix) -> float:
    """A real rate right of all modes of A and of zero, by a share of the rms rate of A."""
    rate = float(np.linalg.norm(a)) / np.sqrt(len(a)) or 1.0
    return max(0.0, float(eigenvalues_of(a).real.max())) + SHIFT * rate


def _separated(a: Matrix) -> tuple[Part, ...]:
    """Stable and antistable invariant parts by an ordered Schur form and a Sylvester equation."""
    t, q, k = decaying_first(a)
    y = coupling_between(t[:k, :k], t[k:, k:], t[:k, k:])
    # [[S, X], [0, U]] becomes diag(S, U) in the coordinates [[I, Y], [0, I]].
    growing, r = np.linalg.qr(q[:, :k] @ y + q[:, k:])
    growing_left = r @ q[:, k:].T
    parts = [
        Part(
            right=growing,
            left=growing_left,
            decaying=-(r @ t[k:, k:] @ inverse(r)),
            sign=-1.0,
        )
    ]
    if k:
        stable_left = q[:, :k].T - y @ q[:, k:].T
        parts.insert(0, Part(right=q[:, :k], left=stable_left, decaying=t[:k, :k]))
    return tuple(parts)
