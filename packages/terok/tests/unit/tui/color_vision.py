"""How colors look to people with a color-vision deficiency, and how far apart they are; pure.

The matrices are those of Machado, Oliveira and Fernandes (2009) for a complete deficiency, on linear light. Distances
are CIE 1976: about 2.3 is just seen, 10 at a glance.
"""

from __future__ import annotations

from math import dist
from typing import Final

Color = tuple[float, float, float]
Matrix = tuple[Color, Color, Color]

VISIONS: Final[dict[str, Matrix]] = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
_XYZ: Final[Matrix] = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
_WHITE: Final = (0.9505, 1.0, 1.089)


def linear(color: Color) -> Color:
    """Return the light of a color of 0 to 255."""
    return tuple(one / 255 / 12.92 if one <= 10.31475 else ((one / 255 + 0.055) / 1.055) ** 2.4 for one in color)


def through(matrix: Matrix, light: Color) -> Color:
    """Return a light after a matrix, within what a screen can show."""
    return tuple(min(max(sum(a * b for a, b in zip(row, light, strict=True)), 0.0), 1.0) for row in matrix)


def lab(light: Color) -> Color:
    """Return a light in CIE L*a*b*."""
    parts = [sum(a * b for a, b in zip(row, light, strict=True)) for row in _XYZ]
    x, y, z = (
        part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116
        for part in (one / white for one, white in zip(parts, _WHITE, strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def apart(one: Color, other: Color, vision: str) -> float:
    """Return how far apart two colors of 0 to 255 are for a vision."""
    return dist(*(lab(through(VISIONS[vision], linear(color))) for color in (one, other)))


def contrast(one: Color, other: Color) -> float:
    """Return the contrast of two colors as WCAG counts it, 1 to 21."""
    light, dark = sorted((through(_XYZ, linear(color))[1] for color in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
