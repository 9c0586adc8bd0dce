"""Layout-versus-schematic for differential equations: a netlist's text back to x' = f(x, u).

The unknowns are node voltages and branch currents. Given the circuit's own states (capacitor
voltages, inductor currents) and the inputs, Kirchhoff's laws are a square algebraic system; solved,
it yields every capacitor's current and every inductor's voltage, that is the rate of every state.
No time integration takes place, and nothing here knows who wrote the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import UnverifiableError
from rnn2circuit.verify.expression import evaluate
from rnn2circuit.verify.netlist import GROUND, Netlist, read_netlist
from rnn2circuit.verify.nodal import (
    SourceGroup,
    Sparse,
    from_triples,
    group_sources,
    linear_part,
    storage,
    unknown_labels,
)

Factors: TypeAlias = Any  # a sparse LU factorization

STATIONARY = 1e-13  # relative change of a source's value below which it counts as settled
CHAIN = 12  # feed-forward depth of nonlinear sources up to which substitution settles
REFINEMENTS = 3  # of a solution whose parts differ by a hundred decades: each part gets its digits
NEWTON = 60  # iterations of the fallback
HALVINGS = 12  # of a step that overshoots
CLOSE = 1e-8  # relative step after which Newton needs one more
GENERIC = 1e-2  # V and A at which the port relation is read
SENSING = 1e-9  # relative change of the port relation between states: it must be constant
LARGEST_SVD = 600  # unknowns up to which the culprits of a singular system are looked for


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rates:
    """What a netlist does at K states."""

    dv_dt: Matrix  # (K, n), V/s at the state ports
    outputs: Matrix  # (K, p), V at the output ports
    df_dv: tuple[Matrix, ...]  # (n, n) at each chosen state, 1/s
    df_du: tuple[Matrix, ...]  # (n, m), 1/s


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InitialState:
    """Voltages of the state ports at t = 0, NaN where the netlist does not say."""

    elements: Vector  # (n,), by ic= on capacitors and inductors
    cards: Vector  # (n,), by .ic cards


def extract(
    text: str,
    *,
    states: Sequence[str],
    inputs: Sequence[str],
    outputs: Sequence[str] = (),
    subckt: str | None = None,
) -> "ExtractedSystem":
    """Rebuild the equations of a netlist.

    Parameters
    ----------
    text : str
        A subcircuit, with the definitions of those that it uses.
    states : sequence of str
        Ports whose voltages show the states, in order.
    inputs : sequence of str
        Ports that ideal voltage sources drive.
    outputs : sequence of str
        Further ports to read.
    subckt : str, optional
        The name the subcircuit must have.

    Raises
    ------
    UnverifiableError
        If the text is not understood exactly, if the circuit has other states than those shown,
        or if its algebraic part is singular.
    """
    netlist = read_netlist(text, subckt=subckt)
    return extract_from(netlist, states=states, inputs=inputs, outputs=outputs, subckt=subckt)


def extract_from(
    netlist: Netlist,
    *,
    states: Sequence[str],
    inputs: Sequence[str],
    outputs: Sequence[str] = (),
    subckt: str | None = None,
) -> "ExtractedSystem":
    """As `extract`, from a netlist that is read already."""
    if subckt is not None and netlist.subckt != subckt:
        raise UnverifiableError(f"expected subcircuit {subckt!r}, found {netlist.subckt!r}")
    wanted = [*inputs, *states, *outputs]
    if netlist.subckt is not None and list(netlist.ports) != wanted:
        raise UnverifiableError(
            f"the subcircuit's ports are {' '.join(netlist.ports)[:80]!r}, "
            f"expected {' '.join(wanted)[:80]!r}"
        )
    unknown = [name for name in wanted if name not in netlist.nodes]
    if unknown:
        raise UnverifiableError(f"the netlist has no node {unknown[0]!r}")
    return ExtractedSystem(netlist, states=states, inputs=inputs, outputs=outputs)


class ExtractedSystem:
    """The equations of a netlist, ready to be evaluated at any state."""

    def __init__(
        self,
        netlist: Netlist,
        *,
        states: Sequence[str],
        inputs: Sequence[str],
        outputs: Sequence[str],
    ) -> None:
        if netlist.s:
            raise UnverifiableError(
                f"{netlist.s[0][0]} is a switch, and no clock says whether it is closed"
            )
        self.element_counts = netlist.counts()
        self.storage_elements = (*(r[:4] for r in netlist.c), *(r[:4] for r in netlist.l))
        names = {number: name for name, number in netlist.nodes.items()} | {GROUND: "0"}
        self.storage_nets = [(names[p], names[n]) for _, p, n, _ in self.storage_elements]
        self._ports = np.array([netlist.nodes[s] for s in states], dtype=np.int64)
        self._outputs = np.array([netlist.nodes[s] for s in outputs], dtype=np.int64)
        self._n_inputs = len(inputs)
        self._assemble(netlist, inputs)
        owned = len(netlist.c) + len(netlist.l)
        if owned != len(states):
            raise UnverifiableError(
                f"the circuit has {owned} states ({len(netlist.c)} capacitors, {len(netlist.l)} "
                f"inductors), {len(states)} are shown at ports"
            )
        self._lu = _factor(self._a, self.unknown_labels)
        self._offset, self._shown = self._port_relation()

    def rates(self, v: Matrix, u: Matrix, *, jacobian_at: Sequence[int] = ()) -> Rates:
        """Rates and outputs at K points.

        Parameters
        ----------
        v : ndarray, shape (K, n)
            Voltages of the state ports.
        u : ndarray, shape (K, m)
            Voltages of the input ports.
        jacobian_at : sequence of int
            Points at which derivatives are wanted too.

        Raises
        ------
        UnverifiableError
            If the algebraic system cannot be solved at a point, or the ports do not show the
            circuit's states linearly.
        """
        w = self.storage_values(v)
        z = self._solve(w, u)
        shown = z[self._ports].T
        scale = np.abs(v).max(initial=0.0) + np.abs(self._offset).max(initial=0.0)
        if not np.allclose(shown, v, rtol=SENSING, atol=SENSING * max(float(scale), 1e-30)):
            raise UnverifiableError("the state ports do not show the circuit's states linearly")
        state_jacobian: list[Matrix] = []
        input_jacobian: list[Matrix] = []
        # Without expressions the circuit is linear: one point has the derivatives of all.
        for k in jacobian_at if self._groups else jacobian_at[:1]:
            by_w, by_u = self._sensitivities(z[:, k])
            inner = self._shown @ (self._rate_rows @ by_w)
            state_jacobian.append(_divided(inner, self._shown))
            input_jacobian.append(self._shown @ (self._rate_rows @ by_u))
        copies = 1 if self._groups else len(jacobian_at)
        return Rates(
            dv_dt=(self._shown @ (self._rate_rows @ z)).T,
            outputs=z[self._outputs].T,
            df_dv=tuple(state_jacobian * copies),
            df_du=tuple(input_jacobian * copies),
        )

    def storage_values(self, v: Matrix) -> Matrix:
        """Capacitor voltages and inductor currents at port voltages v (K, n), shape (K, n).

        In the order of `storage_elements`.
        """
        return _divided(v - self._offset, self._shown.T)

    def port_rates(self, rates: Matrix) -> Matrix:
        """``dv/dt`` of the state ports from the rates of the storage elements, both (K, n)."""
        return rates @ self._shown.T

    def initial_state(self) -> InitialState:
        """What the netlist says about t = 0, by elements and by cards."""
        start = np.array([np.nan if s is None else s for s in self._starts], dtype=np.float64)
        return InitialState(elements=self._at_ports(start), cards=self._at_ports(self._by_cards))

    def _at_ports(self, w: Vector) -> Vector:
        """Voltages of the state ports, where NaN stands for what is not known."""
        with np.errstate(invalid="ignore"):
            # 0 * nan must not spoil the ports that a silent element does not reach.
            parts = np.where(self._shown == 0, 0.0, self._shown * w)
        return self._offset + parts.sum(axis=1)

    def _assemble(self, net: Netlist, inputs: Sequence[str]) -> None:
        """Modified nodal equations: linear matrix, source columns, rate rows, nonlinear groups."""
        branch: dict[str, int] = {}
        for row in (
            *net.v,
            *net.e,
            *net.h,
            *net.nullors,
            *(b for b in net.b if b[3] == "v"),
            *net.c,
        ):
            branch[row[0]] = len(net.nodes) + len(branch)
        drive = [len(net.nodes) + len(branch) + k for k in range(len(inputs))]
        size = len(net.nodes) + len(branch) + len(inputs)
        self._a = linear_part(net, branch, dict(zip(inputs, drive, strict=True)), size)
        self.unknown_labels = unknown_labels(net, branch, inputs)
        self._constant = np.zeros(size)
        for name, _, _, volts in net.v:
            self._constant[branch[name]] += volts
        for _, p, n, ampere in net.i:
            _accumulate(self._constant, p, -ampere)
            _accumulate(self._constant, n, ampere)
        self._input_columns = from_triples(size, [(q, k, 1.0) for k, q in enumerate(drive)])
        self._state_columns, self._rate_rows = storage(net, branch, size)
        self._starts = [row[4] for row in (*net.c, *net.l)]
        # Known without a card: ground, and what a constant source holds, such as an ammeter's end.
        named = {p: volts for _, p, n, volts in net.v if n == GROUND} | {GROUND: 0.0}
        named |= {net.nodes[name]: volts for name, volts in net.initial.items()}
        cards = [named.get(p, np.nan) - named.get(n, np.nan) for _, p, n, *_ in net.c]
        self._by_cards = np.array([*cards, *(np.nan for _ in net.l)], dtype=np.float64)
        self._groups = group_sources(net, branch)

    def _port_relation(self) -> tuple[Vector, Matrix]:
        """Offset and matrix of ``v(ports) = offset + shown @ w``, which must not depend on u."""
        n = len(self._ports)
        # At some generic state: at zero a square root has no slope.
        w = GENERIC * (1.0 + np.arange(n) / max(n, 1))
        at = self._solve(w[None, :], np.zeros((1, self._n_inputs)))
        by_w, by_u = self._sensitivities(at[:, 0])
        shown, leak = by_w[self._ports], by_u[self._ports]
        scale = float(np.abs(shown).max(initial=0.0))
        if leak.size and float(np.abs(leak).max()) > SENSING:
            raise UnverifiableError("a state port depends on an input directly")
        if scale == 0.0 or np.linalg.matrix_rank(shown) < n:
            raise UnverifiableError("the state ports do not show all states of the circuit")
        offset = at[self._ports, 0] - shown @ w
        noise = np.abs(offset) <= SENSING * (np.abs(shown) @ w)
        return np.where(noise, 0.0, offset), shown

    def _solve(self, w: Matrix, u: Matrix) -> Matrix:
        """All unknowns at K points, shape (unknowns, K)."""
        b = self._constant[:, None] + self._state_columns @ w.T + self._input_columns @ u.T
        z = self._refined(b)
        if not self._groups:
            return z
        # Sources that feed one another without loops settle after as many substitutions as the
        # chain is long; each costs one back-substitution for all points together.
        values = [np.zeros((len(g.names), w.shape[0])) for g in self._groups]
        start = z
        for _ in range(CHAIN):
            before, values = values, [_evaluated(g, z) for g in self._groups]
            if not all(np.all(np.isfinite(value)) for value in values):
                break  # a loop that substitution runs away in: a capacitor that varies
            z = self._refined(b + self._injected(values, len(b)))
            if all(_settled(x, y) for x, y in zip(before, values, strict=True)):
                return z
        columns = range(w.shape[0])
        return np.column_stack([self._looped(b[:, k], start[:, k], z[:, k]) for k in columns])

    def _refined(self, b: Matrix) -> Matrix:
        z = self._lu.solve(b)
        return z + self._lu.solve(b - self._a @ z)

    def _injected(self, values: list[Matrix], size: int) -> Matrix:
        out = np.zeros((size + 1, values[0].shape[1]))  # the last row takes what goes to ground
        for group, value in zip(self._groups, values, strict=True):
            for end in (0, 1):
                np.add.at(out, group.rows[:, end], group.signs[:, end, None] * value)
        return out[:-1]

    def _looped(self, b: Vector, start: Vector, substituted: Vector) -> Vector:
        """One point of a circuit in which sources feed one another in a loop.

        Plain Newton first: it settles a chain layer by layer as substitution does, and a loop in
        which a source multiplies a current, as a capacitor that varies does, in a few steps more.
        """
        z, settled = start, 0
        for _ in range(CHAIN + REFINEMENTS):
            step = self._newton_step(b, z)
            if step is None:
                break
            z = z - step
            small = np.abs(step) <= STATIONARY * (np.abs(z) + STATIONARY * np.abs(z).max())
            settled = settled + 1 if np.all(small) else 0
            if settled > REFINEMENTS:
                return z
        return self._newton(b, substituted)

    def _newton_step(self, b: Vector, z: Vector) -> Vector | None:
        """A full step, or None where it is not finite."""
        values = [_evaluated(g, z[:, None]) for g in self._groups]
        if not all(np.all(np.isfinite(value)) for value in values):
            return None
        residual = self._a @ z - b - self._injected(values, len(b))[:, 0]
        lu = _factor(self._jacobian(z), self.unknown_labels)
        step: Vector = lu.solve(residual)
        return step if np.all(np.isfinite(step)) else None

    def _newton(self, b: Vector, z: Vector) -> Vector:
        """Newton's method with halving of steps that make the residual grow."""
        residual, last = self._residual(b, z), False
        for _ in range(NEWTON):
            step = _factor(self._jacobian(z), self.unknown_labels).solve(residual)
            size = float(np.abs(residual).max())
            after = self._residual(b, z - step)
            for _ in range(0 if last else HALVINGS):
                if float(np.abs(after).max()) <= size:
                    break
                step = step / 2.0
                after = self._residual(b, z - step)
            z, residual = z - step, after
            if last:
                return z
            # Convergence is quadratic: below this, one more step leaves only rounding.
            last = bool(np.all(np.abs(step) <= CLOSE * (np.abs(z) + CLOSE * np.abs(z).max())))
        raise UnverifiableError("the algebraic equations have no solution that Newton finds")

    def _residual(self, b: Vector, z: Vector) -> Vector:
        values = [_values(g, z[:, None]) for g in self._groups]
        return self._a @ z - b - self._injected(values, len(b))[:, 0]

    def _jacobian(self, z: Vector) -> Sparse:
        """Derivative of all equations by all unknowns at one point."""
        rows: list[NDArray[np.int64]] = []
        columns: list[NDArray[np.int64]] = []
        entries: list[Vector] = []
        for group in self._groups:
            _, partials = evaluate(group.shape, _operands(group, z[:, None]))
            for k, partial in enumerate(partials):
                for end in (0, 1):
                    rows.append(group.rows[:, end])
                    columns.append(group.operands[:, k])
                    with np.errstate(invalid="ignore"):  # 0 * inf: an end at ground
                        entries.append(-group.signs[:, end] * partial[:, 0])
        if not rows:
            return self._a
        r, c, x = np.concatenate(rows), np.concatenate(columns), np.concatenate(entries)
        keep = (r >= 0) & (c >= 0) & (x != 0)
        return (self._a + sp.csc_matrix((x[keep], (r[keep], c[keep])), self._a.shape)).tocsc()

    def _sensitivities(self, z: Vector) -> tuple[Matrix, Matrix]:
        """Derivatives of all unknowns by states and inputs, at one solution."""
        if not self._groups:
            return self._of_linear_part
        a = self._jacobian(z)
        return self._derivatives(a, _factor(a, self.unknown_labels))

    @cached_property
    def _of_linear_part(self) -> tuple[Matrix, Matrix]:
        """The same where there are no expressions: of a thousand states it takes seconds."""
        return self._derivatives(self._a, self._lu)

    def _derivatives(self, a: Sparse, lu: Factors) -> tuple[Matrix, Matrix]:
        def refined(columns: Matrix) -> Matrix:
            found: Matrix = lu.solve(columns)
            for _ in range(REFINEMENTS):
                found = found + lu.solve(columns - a @ found)
            return found

        return refined(self._state_columns.toarray()), refined(self._input_columns.toarray())


def _operands(group: SourceGroup, z: Matrix) -> list[Matrix]:
    grounded = np.vstack([z, np.zeros((1, z.shape[1]))])  # row -1 is ground
    if not group.operands.shape[1]:
        return [np.zeros((len(group.names), z.shape[1]))][:0]
    return [grounded[group.operands[:, k]] for k in range(group.operands.shape[1])]


def _evaluated(group: SourceGroup, z: Matrix) -> Matrix:
    """Values of a group's sources, (sources, points); not always finite."""
    shape = (len(group.names), z.shape[1])
    return np.broadcast_to(evaluate(group.shape, _operands(group, z))[0], shape)


def _values(group: SourceGroup, z: Matrix) -> Matrix:
    value = _evaluated(group, z)
    if not np.all(np.isfinite(value)):
        k = int(np.argwhere(~np.isfinite(value))[0][0])
        raise UnverifiableError(f"{group.names[k]}: its expression is not finite at a test state")
    return value


def _settled(before: Matrix, after: Matrix) -> bool:
    scale = np.abs(after).max(axis=1, keepdims=True)
    return bool(np.all(np.abs(after - before) <= STATIONARY * scale))


def _divided(a: Matrix, b: Matrix) -> Matrix:
    """``a @ inv(b)``."""
    return np.asarray(np.linalg.solve(b.T, a.T).T, dtype=np.float64)


def _factor(a: Sparse, labels: Sequence[str]) -> Factors:
    if not np.all(np.isfinite(a.data)):
        raise UnverifiableError("a derivative of some expression is not finite at a test state")
    try:
        return splu(a)
    except RuntimeError:
        raise UnverifiableError(
            f"the algebraic part is singular ({_culprits(a, labels)}): a loop of voltage sources "
            "and capacitors, or a node without a path for its current"
        ) from None


def _culprits(a: Sparse, labels: Sequence[str]) -> str:
    if a.shape[0] > LARGEST_SVD:
        return "too large to say where"
    dense: Matrix = a.toarray()
    weight = np.abs(np.linalg.svd(dense).Vh[-1])
    worst = [int(k) for k in np.argsort(-weight)[:4] if weight[k] > 0.1 * weight.max()]
    return "involved: " + ", ".join(labels[k] for k in worst)


def _accumulate(vector: Vector, where: int, value: float) -> None:
    if where >= 0:
        vector[where] += value
