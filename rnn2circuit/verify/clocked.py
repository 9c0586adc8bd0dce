"""Sample-and-hold netlists back to their step x+ = F(x, u): extraction in both clock phases.

With the clock high or low every switch is a resistor, and what remains is a circuit like any
other, whose states are all its capacitors. In the sampling phase the masters (capacitors that no
port shows) run to a value that the held states and the inputs determine; in the holding phase
the held states run to values that the masters determine. Both are read from the extracted rates.
How far a phase of finite length gets, and what leaks meanwhile, follows from their derivatives.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import UnverifiableError
from rnn2circuit.statemap import ClockMap
from rnn2circuit.verify.extraction import ExtractedSystem, InitialState
from rnn2circuit.verify.netlist import GROUND, Netlist

AFFINE = 1e-9  # residual rate at the value where a sampler comes to rest, relative
PHASE = 0.5  # of a period, each phase
LATE = 2e-3  # of a period that the edges take from a phase


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steps:
    """What a clocked netlist does at K states."""

    x_next: Matrix  # (K, n), V at the state ports after one period
    outputs: Matrix  # (K, p), V at the output ports while the next state is sampled
    outputs_next: Matrix  # (K, p), V there once the next state is held, the inputs as they were
    by_x: tuple[Matrix, ...]  # (n, n) at each chosen state
    by_u: tuple[Matrix, ...]  # (n, m)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """How exactly one period performs the step, in parts of a state's change or value."""

    unsettled: float  # what is missing after both phases, of the change
    droop: float  # what leaks from a hold capacitor in one period, of its value


class ClockedSystem:
    """The step of a clocked netlist, ready to be evaluated at any state."""

    def __init__(
        self,
        netlist: Netlist,
        *,
        states: Sequence[str],
        inputs: Sequence[str],
        outputs: Sequence[str],
        clock: ClockMap,
        subckt: str | None = None,
    ) -> None:
        wanted = [*inputs, clock.port, *states, *outputs]
        if subckt is not None and netlist.subckt != subckt:
            raise UnverifiableError(f"expected subcircuit {subckt!r}, found {netlist.subckt!r}")
        if netlist.subckt is not None and list(netlist.ports) != wanted:
            raise UnverifiableError(
                f"the subcircuit's ports are {' '.join(netlist.ports)[:80]!r}, "
                f"expected {' '.join(wanted)[:80]!r}"
            )
        self.masters = _masters(netlist, states)
        if len(self.masters) != len(states):
            raise UnverifiableError(
                f"the circuit has {len(self.masters)} sampling capacitors for {len(states)} states"
            )
        self._clock = clock
        self._n, self._n_inputs = len(states), len(inputs)
        ports = [*states, *self.masters]
        driven = [*inputs, clock.port]
        self._sampling, self._holding = (
            ExtractedSystem(
                at_clock(netlist, clock.port, volts), states=ports, inputs=driven, outputs=outputs
            )
            for volts in (clock.high, clock.low)
        )

    def steps(self, x: Matrix, u: Matrix, *, jacobian_at: Sequence[int] = ()) -> Steps:
        """One period from K states; `x` (K, n) and `u` (K, m) in V."""
        n, m = self._n, u.shape[1]
        high = np.hstack([u, np.full((len(u), 1), self._clock.high)])
        low = np.hstack([u, np.full((len(u), 1), self._clock.low)])
        wanted = sorted({0, *jacobian_at})
        place = {k: j for j, k in enumerate(wanted)}
        empty = np.hstack([x, np.zeros_like(x)])
        start = self._sampling.rates(empty, high, jacobian_at=wanted)
        pull = start.df_dv[0][n:, n:]
        sampled = -_solved(pull, start.dv_dt[:, n:])
        at_rest = self._sampling.rates(np.hstack([x, sampled]), high)
        _check_rest(at_rest.dv_dt[:, n:], start.dv_dt[:, n:], "sampling")
        ready = np.hstack([np.zeros_like(x), sampled])
        transfer = self._holding.rates(ready, low, jacobian_at=(0,))
        catch, feed = transfer.df_dv[0][:n, :n], transfer.df_dv[0][:n, n:]
        x_next = -_solved(catch, transfer.dv_dt[:, :n])
        after = self._holding.rates(np.hstack([x_next, sampled]), low)
        _check_rest(after.dv_dt[:, :n], transfer.dv_dt[:, :n], "holding")
        moved = np.linalg.solve(catch, feed)
        rows = [(start.df_dv[place[k]][n:, :n], start.df_du[place[k]][n:, :m]) for k in jacobian_at]
        return Steps(
            x_next=x_next,
            outputs=at_rest.outputs,
            outputs_next=after.outputs,
            by_x=tuple(moved @ np.linalg.solve(pull, by_x) for by_x, _ in rows),
            by_u=tuple(moved @ np.linalg.solve(pull, by_u) for _, by_u in rows),
        )

    def settling(self, x: Vector, u: Vector) -> Settling:
        """From the time constants of both phases, at one state."""
        n, duration = self._n, (PHASE - LATE) * self._clock.period
        at = np.concatenate([x, x])[None, :]
        high, low = (
            system.rates(at, np.append(u, volts)[None, :], jacobian_at=(0,)).df_dv[0]
            for system, volts in (
                (self._sampling, self._clock.high),
                (self._holding, self._clock.low),
            )
        )
        unsettled = [float(np.exp(duration * _slowest(j))) for j in (high[n:, n:], low[:n, :n])]
        leaks = (high[:n, :n], high[:n, n:], low[n:, :n], low[n:, n:])
        droop = sum(float(np.abs(j).sum(axis=1).max(initial=0.0)) for j in leaks)
        return Settling(unsettled=sum(unsettled), droop=duration * droop)

    def initial_state(self) -> tuple[InitialState, InitialState]:
        """Voltages of the state ports at t = 0, and those that the masters then drive them to."""
        n = self._n
        start = self._holding.initial_state()
        driven: list[Vector] = []
        for values in (start.elements, start.cards):
            at = np.concatenate([np.zeros(n), values[n:]])[None, :]
            if np.all(np.isfinite(at)):
                low = np.append(np.zeros(self._n_inputs), self._clock.low)[None, :]
                rates = self._holding.rates(at, low, jacobian_at=(0,))
                driven.append(-_solved(rates.df_dv[0][:n, :n], rates.dv_dt[:, :n])[0])
            else:
                driven.append(np.full(n, np.nan))
        return (
            InitialState(elements=start.elements[:n], cards=start.cards[:n]),
            InitialState(elements=driven[0], cards=driven[1]),
        )


def at_clock(netlist: Netlist, clock: str, volts: float) -> Netlist:
    """The netlist with every switch as the resistor that it is at this clock voltage.

    Raises
    ------
    UnverifiableError
        If a switch listens to anything but clock and ground, or hangs within its hysteresis.
    """
    if clock not in netlist.nodes:
        raise UnverifiableError(f"the netlist has no clock node {clock!r}")
    level = {netlist.nodes[clock]: volts, GROUND: 0.0}
    resistors = list(netlist.r)
    for name, p, n, cp, cn, kind in netlist.s:
        if cp not in level or cn not in level:
            raise UnverifiableError(f"{name} is not controlled by the clock {clock!r} and ground")
        model, control = netlist.switch_models[kind], level[cp] - level[cn]
        if abs(control - model.vt) <= model.vh:
            raise UnverifiableError(
                f"{name} is neither on nor off at a clock of {volts!r} V: its thresholds are "
                f"{model.vt - model.vh!r} and {model.vt + model.vh!r} V"
            )
        resistors.append((name, p, n, model.ron if control > model.vt else model.roff))
    return replace(netlist, r=resistors, s=[])


def _masters(netlist: Netlist, states: Sequence[str]) -> list[str]:
    """Nodes of the capacitors to ground that are not at a state port, in order of appearance."""
    shown = {netlist.nodes.get(name) for name in states}
    # A follower shows the capacitor at its input.
    shown |= {p for _, p, n, out in netlist.nullors if n == out and out in shown}
    names = {number: name for name, number in netlist.nodes.items()}
    found: list[str] = []
    for name, p, n, *_ in netlist.c:
        if n != GROUND or p == GROUND:
            raise UnverifiableError(f"{name} is not a capacitor from a node to ground")
        if p not in shown:
            found.append(names[p])
    return found


def _solved(matrix: Matrix, rows: Matrix) -> Matrix:
    """``inv(matrix) @ row`` for each row."""
    try:
        return np.asarray(np.linalg.solve(matrix, rows.T).T, dtype=np.float64)
    except np.linalg.LinAlgError:
        raise UnverifiableError("a sampler never comes to rest: no switch charges it") from None


def _check_rest(left: Matrix, start: Matrix, phase: str) -> None:
    scale = np.abs(start).max() or 1.0
    if not np.all(np.abs(left) <= AFFINE * scale):
        raise UnverifiableError(f"the {phase} capacitors do not settle linearly")


def _slowest(jacobian: Matrix) -> float:
    """Largest real part of the eigenvalues, 1/s."""
    return float(np.linalg.eigvals(jacobian).real.max())
