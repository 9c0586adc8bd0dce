"""Write keras_*.keras, keras_*.weights.h5 and what Keras computes with them; needs keras, torch.

KERAS_BACKEND=torch python make_keras_fixtures.py
"""

from pathlib import Path

import keras
import numpy as np
import torch

HERE = Path(__file__).parent
STEPS = 10

# Keras follows jax's rules of types, so its torch backend multiplies float64 matrices in single
# precision; every other operation keeps double.
keras.src.backend.torch.numpy.matmul = torch.matmul


def sequential(*layers, dtype="float64"):
    keras.config.set_floatx(dtype)
    return keras.Sequential([keras.Input((STEPS, 2)), *[make() for make in layers]])


def functional():
    keras.config.set_floatx("float64")
    u = keras.Input((STEPS, 2))
    kind = keras.layers.SimpleRNN
    h = kind(3, name="first", activation="relu", use_bias=False, return_sequences=True)(u)
    h = keras.layers.Dropout(0.3)(h)
    h = keras.layers.GRU(2, return_sequences=True, reset_after=False, name="second")(h)
    return keras.Model(u, keras.layers.Dense(1, name="out")(h))


def main():
    kl = keras.layers
    every = {"return_sequences": True}
    nets = {
        "gru_after.keras": sequential(lambda: kl.GRU(3, **every)),
        "gru_before.weights.h5": sequential(lambda: kl.GRU(3, reset_after=False, **every)),
        "lstm_2.weights.h5": sequential(
            lambda: kl.LSTM(4, **every), lambda: kl.LSTM(3, **every), lambda: kl.Dense(1)
        ),
        "rnn_single.keras": sequential(
            lambda: kl.SimpleRNN(3, **every), lambda: kl.Dense(2), dtype="float32"
        ),
        "mixed.keras": functional(),
    }
    rng = np.random.default_rng(8)
    found = {}
    for name, net in nets.items():
        scale = 0.5 if name.startswith("mixed") else 1.3
        net.set_weights([scale * rng.normal(size=w.shape) for w in net.get_weights()])
        u = rng.normal(size=(1, STEPS, 2)).astype(net.dtype)
        key = name.split(".")[0]
        found |= {f"{key}.u": u[0], f"{key}.y": np.asarray(net.predict(u, verbose=0))[0]}
        (net.save if name.endswith(".keras") else net.save_weights)(HERE / f"keras_{name}")
    np.savez(HERE / "keras_expected.npz", **found)


if __name__ == "__main__":
    main()
