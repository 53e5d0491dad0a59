"""The orders and directions in which files may store the axes of a scan."""

from itertools import permutations, product

import numpy as np


def turned(axis, degrees):
    """A rotation matrix."""
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def stored_in_all_orders(array, directions):
    """An array (K, J, I) and its directions (3, 3), columns for i, j, k, as files may store them: 48 ways."""
    for columns, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        axes = [2 - column for column in reversed(columns)]
        stored = array.transpose(axes)[tuple(slice(None, None, sign) for sign in reversed(signs))]
        yield stored, directions[:, columns] * signs
