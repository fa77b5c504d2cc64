"""The watershed's flood for a single image, with nothing but numpy: what scikit-image's does, some times slower."""

import heapq

import numpy as np


def flooded(height: np.ndarray, markers: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Number of the marker that reaches each pixel first: int32 [H, W], 0 outside the mask.

    height: float [H, W]; markers: int [H, W], numbers from 1 on; mask: bool [H, W], connected by sides. Pixels are
    taken by height, those of one height in the order in which they were met (Beucher and Meyer 1993).
    """
    rows, columns = height.shape
    # A frame outside the mask, so that no neighbour needs to be looked for beyond the picture.
    wide = columns + 2
    frame = np.zeros((rows + 2, wide), np.int32)
    frame[1:-1, 1:-1] = np.where(mask, markers, 0)
    number = frame.ravel().tolist()
    free = np.zeros((rows + 2, wide), bool)
    free[1:-1, 1:-1] = mask & (markers == 0)
    open_ = free.ravel().tolist()
    levels = np.zeros((rows + 2, wide))
    levels[1:-1, 1:-1] = height
    level = levels.ravel().tolist()
    queue = [(level[pixel], 0, int(pixel)) for pixel in np.flatnonzero(frame)]
    heapq.heapify(queue)
    met = 0
    while queue:
        _, _, pixel = heapq.heappop(queue)
        for neighbour in (pixel - wide, pixel - 1, pixel + 1, pixel + wide):
            if open_[neighbour]:
                open_[neighbour] = False
                number[neighbour] = number[pixel]
                met += 1
                heapq.heappush(queue, (level[neighbour], met, neighbour))
    return np.array(number, np.int32).reshape(frame.shape)[1:-1, 1:-1]
