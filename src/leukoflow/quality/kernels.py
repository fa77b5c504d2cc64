"""Inner loops of the comparisons among very many images, compiled by Numba when they are first called.

Each has a plain NumPy counterpart, which smaller sets use: compiling takes some seconds.
"""

import math

import numpy as np

from leukoflow.core.compiled import compiled

_GROWTH = 2


@compiled()
def _bits(value: np.uint64) -> np.int64:
    """Number of set bits; the compiler makes one instruction of it."""
    value = value - ((value >> np.uint64(1)) & np.uint64(0x5555555555555555))
    value = (value & np.uint64(0x3333333333333333)) + ((value >> np.uint64(2)) & np.uint64(0x3333333333333333))
    value = (value + (value >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((value * np.uint64(0x0101010101010101)) >> np.uint64(56))


@compiled()
def _room(pairs: np.ndarray, used: int) -> np.ndarray:
    """The array itself, or a longer copy where it is full."""
    if used < len(pairs):
        return pairs
    longer = np.empty((_GROWTH * len(pairs), pairs.shape[1]), pairs.dtype)
    longer[:used] = pairs
    return longer


@compiled()
def close_codes(
    queries: np.ndarray,
    codes: np.ndarray,
    order: np.ndarray,
    bounds: np.ndarray,
    flips: np.ndarray,
    block_bits: int,
    distance: int,
    radius: int,
) -> np.ndarray:
    """Pairs of a query uint64 [m] and a hash at most `distance` bits apart, each once: int32 [p, 2].

    Of each block: the hashes uint64 [blocks, n] in the table's order int32 [blocks, n], and if each key starts
    int64 [blocks, keys + 1]. flips: patterns of at most `radius` bits, uint64.
    """
    pairs = np.empty((1024, 2), np.int32)
    used = 0
    mask = (np.uint64(1) << np.uint64(block_bits)) - np.uint64(1)
    for query in range(len(queries)):
        value = queries[query]
        for block in range(len(codes)):
            key = (value >> np.uint64(block * block_bits)) & mask
            for flip in flips:
                other = np.int64(key ^ flip)
                for entry in range(bounds[block, other], bounds[block, other + 1]):
                    differ = value ^ codes[block, entry]
                    if _bits(differ) > distance:
                        continue
                    met = False  # in an earlier block
                    for earlier in range(block):
                        met = met or _bits((differ >> np.uint64(earlier * block_bits)) & mask) <= radius
                    if not met:
                        pairs = _room(pairs, used)
                        pairs[used, 0] = query
                        pairs[used, 1] = order[block, entry]
                        used += 1
    return pairs[:used]


@compiled(fastmath=True)
def _dot(one: np.ndarray, two: np.ndarray) -> np.float32:
    total = np.float32(0)
    for index in range(len(one)):
        total += one[index] * two[index]
    return total


@compiled()
def alike_codes(
    components: np.ndarray,
    query_codes: np.ndarray,
    codes: np.ndarray,
    order: np.ndarray,
    bounds: np.ndarray,
    members: np.ndarray,
    block_bits: int,
    unsure: int,
    most: int,
    farthest: int,
    least: float,
) -> np.ndarray:
    """Pairs of a query float32 [m, 64] and a member float32 [n, 64] of its buckets whose codes are close
    and whose product is at least `least`: int32 [p, 2], some several times.

    Tables as in `close_codes`. The `unsure` smallest values of a block are tried with both signs; of a bucket the
    first `most` are compared.
    """
    pairs = np.empty((1024, 2), np.int32)
    used = 0
    mask = (np.uint64(1) << np.uint64(block_bits)) - np.uint64(1)
    flips = np.empty(1 << unsure, np.uint64)
    for query in range(len(components)):
        value, vector = query_codes[query], components[query]
        for block in range(len(codes)):
            key = (value >> np.uint64(block * block_bits)) & mask
            flips[0] = 0
            taken = np.uint64(0)
            for step in range(unsure):
                best, size = 0, np.float32(np.inf)
                for bit in range(block_bits):
                    magnitude = abs(vector[block * block_bits + bit])
                    if magnitude < size and not (taken >> np.uint64(bit)) & np.uint64(1):
                        best, size = bit, magnitude
                taken |= np.uint64(1) << np.uint64(best)
                for known in range(1 << step):
                    flips[(1 << step) + known] = flips[known] ^ (np.uint64(1) << np.uint64(best))
            for flip in flips:
                other = np.int64(key ^ flip)
                first = bounds[block, other]
                for entry in range(first, min(first + most, bounds[block, other + 1])):
                    if _bits(value ^ codes[block, entry]) > farthest:
                        continue
                    member = order[block, entry]
                    if _dot(vector, members[member]) >= least:
                        pairs = _room(pairs, used)
                        pairs[used, 0] = query
                        pairs[used, 1] = member
                        used += 1
    return pairs[:used]


@compiled()
def unchanging(rings: np.ndarray, one: np.ndarray, two: np.ndarray, twice: np.ndarray, level: float) -> np.ndarray:
    """See `rings.unchanging`."""
    count, _, many, waves = rings.shape
    out = np.empty((count, len(one) * (waves - 1) + many), np.float32)
    for row in range(count):
        real, imaginary = rings[row, 0], rings[row, 1]
        column = 0
        for pair in range(len(one)):
            a, b = one[pair], two[pair]
            for wave in range(1, waves):
                product = (real[a, wave] * real[b, wave] + imaginary[a, wave] * imaginary[b, wave]) * twice[pair]
                root = np.float32(math.sqrt(abs(product)))
                out[row, column] = root if product > 0 else -root
                column += 1
        for ring in range(many):
            out[row, column] = np.float32(level) * real[ring, 0]
            column += 1
    return out


@compiled(fastmath=True)
def aligned(
    rings: np.ndarray, others: np.ndarray, pairs: np.ndarray, cosine: np.ndarray, sine: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Best correlation of rings [m, 2, rings, waves] with others [n, ...] of pairs int32 [p, 2], and its place among
    the angles, mirrored ones last: see `rings.aligned`."""
    waves, angles = cosine.shape
    best = np.empty(len(pairs), np.float32)
    places = np.empty(len(pairs), np.int64)
    turned = np.empty(angles, np.float32)
    mirrored = np.empty(angles, np.float32)
    for row in range(len(pairs)):
        one, two = rings[pairs[row, 0]], others[pairs[row, 1]]
        turned[:] = 0
        mirrored[:] = 0
        for wave in range(waves):
            plain, crossed, straight, skew = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
            for ring in range(one.shape[1]):
                a, b, c, d = one[0, ring, wave], one[1, ring, wave], two[0, ring, wave], two[1, ring, wave]
                plain += a * c + b * d
                crossed += b * c - a * d
                straight += a * c - b * d
                skew += a * d + b * c
            for angle in range(angles):
                turned[angle] += plain * cosine[wave, angle] + crossed * sine[wave, angle]
                mirrored[angle] += straight * cosine[wave, angle] - skew * sine[wave, angle]
        value, position = turned[0], 0
        for angle in range(angles):
            if turned[angle] > value:
                value, position = turned[angle], angle
        for angle in range(angles):
            if mirrored[angle] > value:
                value, position = mirrored[angle], angles + angle
        best[row], places[row] = value, position
    return best, places


@compiled(fastmath=True)
def coarse_bounds(
    details: np.ndarray,
    starts: np.ndarray,
    ones: np.ndarray,
    coarse: np.ndarray,
    sizes: np.ndarray,
    inner: int,
    square: int,
) -> np.ndarray:
    """What no correlation of pairs exceeds: float32 [p].

    Pairs are in groups, one for each of the other pictures, whose details are float32 [g, side, side]; group k's are
    `ones`[starts[k] : starts[k + 1]], rows of `coarse` int8 [n, blocks] and `sizes` float32 [n, 3] (see
    `similarity.Coarse`).
    """
    across, blocks = details.shape[1] - inner + 1, inner // square
    out = np.empty(len(ones), np.float32)
    windows = np.empty((blocks * blocks, across * across), np.float32)
    rest = np.empty(across * across, np.float32)
    vectors = np.empty((_TOGETHER, blocks * blocks), np.float32)
    for group in range(len(starts) - 1):
        if starts[group] == starts[group + 1]:
            continue
        _coarse_windows(details[group], inner, square, windows, rest)
        for begin in range(starts[group], starts[group + 1], _TOGETHER):
            some = ones[begin : min(begin + _TOGETHER, starts[group + 1])]
            for row in range(len(some)):
                for block in range(blocks * blocks):
                    vectors[row, block] = coarse[some[row], block]
            products = np.dot(vectors[: len(some)], windows)
            for row in range(len(some)):
                scale, lost, remainder = sizes[some[row], 0], sizes[some[row], 1], sizes[some[row], 2]
                largest = np.float32(-2)
                for shift in range(across * across):
                    largest = max(largest, products[row, shift] * scale + remainder * rest[shift])
                out[begin + row] = largest + lost
    return out


_TOGETHER = 64


@compiled(fastmath=True)
def _coarse_windows(picture: np.ndarray, inner: int, square: int, windows: np.ndarray, rest: np.ndarray) -> None:
    """Means of squares in every window of details [side, side], of windows of mean 0 and norm 1, times the side of a
    square: [blocks, shifts]; and the norm of what they leave [shifts]."""
    side, blocks = len(picture), inner // square
    across = side - inner + 1
    box = np.empty((side - square + 1, side - square + 1), np.float32)
    for y in range(side - square + 1):
        for x in range(side - square + 1):
            total = np.float32(0)
            for down in range(square):
                for step in range(square):
                    total += picture[y + down, x + step]
            box[y, x] = total / square
    sums, squares = np.zeros((side + 1, side + 1)), np.zeros((side + 1, side + 1))
    for y in range(side):
        line, power = 0.0, 0.0
        for x in range(side):
            line += picture[y, x]
            power += picture[y, x] * picture[y, x]
            sums[y + 1, x + 1] = sums[y, x + 1] + line
            squares[y + 1, x + 1] = squares[y, x + 1] + power
    for top in range(across):
        for left in range(across):
            low, right, shift = top + inner, left + inner, top * across + left
            total = sums[low, right] - sums[top, right] - sums[low, left] + sums[top, left]
            power = squares[low, right] - squares[top, right] - squares[low, left] + squares[top, left]
            mean = total / (inner * inner)
            norm = math.sqrt(max(power - total * mean, 1e-12))
            kept = 0.0
            for y in range(blocks):
                for x in range(blocks):
                    value = (box[top + y * square, left + x * square] - mean * square) / norm
                    windows[y * blocks + x, shift] = value
                    kept += value * value
            rest[shift] = math.sqrt(max(1 - kept, 0.0))
