# tests/io/numpy_round_trip.py: the numpy side of numpy_test.cpp.
#
#   numpy_round_trip.py write FOLDER COUNT   random arrays as FOLDER/N.npy, ten at a time as N.npz
#   numpy_round_trip.py check FOLDER COUNT   compares them with out-N.npy and out-N.npz
import sys

import numpy as np

TYPES = ["f2", "f4", "f8", "b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4"]
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 65504.0, 2.0**-24]


def widened(dtype):
    """The type that holds all values of another one, see framework/io/elements.h."""
    if dtype.kind == "f":
        return np.dtype("f8" if dtype.itemsize == 8 else "f4")
    return np.dtype("i8")


def random_array(rng):
    dtype = np.dtype(rng.choice(["<", ">"]) + rng.choice(TYPES))
    shape = tuple(rng.integers(0 if rng.random() < 0.2 else 1, 6, rng.integers(0, 7)))
    if dtype.kind == "f":
        values = rng.normal(0, 100, shape)
        values = np.where(rng.random(shape) < 0.1, rng.choice(SPECIAL, shape), values)
    elif dtype.kind == "b":
        values = rng.integers(0, 2, shape)
    else:
        limits = np.iinfo(dtype)
        values = rng.integers(limits.min, limits.max, shape, endpoint=True)
    array = np.asarray(values).astype(dtype)
    return np.asfortranarray(array) if rng.random() < 0.4 else array


def write_array(path, array, rng):
    """Versions 1 to 3 as numpy writes them, or by hand with a header of 60,000 bytes."""
    with open(path, "wb") as file:
        if rng.random() < 0.9:
            version = (int(rng.integers(1, 4)), 0)
            np.lib.format.write_array(file, array, version=version, allow_pickle=False)
            return
        text = repr(np.lib.format.header_data_from_array_1_0(array)).encode("latin1")
        header = text + b" " * (60_000 - len(text) - 1) + b"\n"
        file.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        is_fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        file.write(array.tobytes("F" if is_fortran else "C"))


def check(name, ours, array):
    expected = array.astype(widened(array.dtype))
    assert ours.dtype == expected.dtype, f"{name}: {ours.dtype}, expected {expected.dtype}"
    assert ours.shape == expected.shape, f"{name}: {ours.shape}, expected {expected.shape}"
    is_same = np.array_equal(ours, expected, equal_nan=ours.dtype.kind == "f")
    assert is_same and np.array_equal(np.signbit(ours), np.signbit(expected)) or (
        is_same and ours.dtype.kind != "f"
    ), f"{name}: values differ"


def main():
    command, folder, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    rng = np.random.default_rng(7)
    arrays = [random_array(rng) for _ in range(count)]
    for n, array in enumerate(arrays):
        if command == "write":
            write_array(f"{folder}/{n}.npy", array, rng)
        else:
            check(f"{n}.npy", np.load(f"{folder}/out-{n}.npy", allow_pickle=False), array)
    for n in range(0, count, 10):
        members = {f"array/{k}": array for k, array in enumerate(arrays[n : n + 10])}
        if command == "write":
            save = np.savez if n % 20 == 0 else np.savez_compressed
            save(f"{folder}/{n}.npz", **members)
        else:
            with np.load(f"{folder}/out-{n}.npz", allow_pickle=False) as ours:
                assert sorted(ours.files) == sorted(members), f"{n}.npz: {ours.files}"
                for key, array in members.items():
                    check(f"{n}.npz {key}", ours[key], array)


main()
