"""The two data sets by which Firth's estimate is known, and what R's logistf prints for them.

Both are of Heinze and Schemper (2002, "A solution to the problem of separation in logistic regression", Statistics in
Medicine 21) and in the R package logistf, version 1.24, whose estimates and profile intervals these are.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Published:
    """X (rows, p), y (rows,), the names of the columns, and estimates and intervals (p + 1,), the intercept last."""

    X: np.ndarray
    y: np.ndarray
    columns: tuple[str, ...]
    estimates: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]


# Neovascularisation NV and high grade HG, then the pulsatility index PI and the endometrium's height EH.
ENDOMETRIAL = """
00:13:1.64 00:16:2.26 00:8:3.14 00:34:2.68 00:20:1.28 00:5:2.31 00:17:1.8 00:10:1.68 00:26:1.56 00:17:2.31
00:8:2.01 00:7:1.89 00:20:3.15 00:10:1.23 00:18:1.27 00:16:1.76 00:18:2 01:8:2.64 01:29:0.88 01:12:1.27
01:20:1.37 11:38:0.97 11:22:1.14 11:7:0.88 11:25:0.91 11:15:0.58 01:7:0.97 00:28:1.5 00:11:1.33 00:19:2.37
00:10:1.82 00:10:3.13 00:18:1.31 00:14:1.92 00:21:1.64 00:11:2.01 00:17:1.88 00:25:1.93 00:16:2.11 00:19:1.29
00:15:1.72 00:33:0.75 00:24:1.92 01:48:1.84 01:12:1.11 01:19:1.61 01:2:1.18 11:22:1.44 11:40:1.18 11:5:0.93
11:0:1.17 01:21:1.19 01:15:1.06 00:29:2.02 00:15:2.29 00:12:2.33 00:3:2.9 00:20:1.7 00:23:1.41 00:12:2.25
00:22:1.54 00:42:1.97 00:15:1.75 00:13:2.16 00:14:2.57 00:19:1.37 00:12:3.61 00:13:2.04 00:10:2.17 01:12:1.69
11:49:0.27 01:6:1.84 01:5:1.3 01:17:0.96 11:11:1.01 11:21:0.98 01:5:0.35 11:19:1.02 01:33:0.85
"""

# Case of urinary tract infection, age at 24, oral contraceptive, condom, lubricated, spermicide, diaphragm: and how
# many women.
SEX2 = """
0000010:1 0001000:2 0001010:1 0001100:8 0001110:18 0010000:42 0010010:1 0011000:1 0011100:5 0011110:6 0101100:2
0101110:4 0110000:14 0110010:1 0111000:1 0111110:2 1000010:1 1001000:14 1001010:3 1001100:10 1001110:12
1001111:1 1010000:44 1010001:3 1011000:15 1011001:1 1011010:2 1011100:7 1011110:3 1101000:2 1101010:1 1101011:1
1101100:1 1101111:1 1110000:5 1111000:3
"""


def endometrial() -> Published:
    """79 patients: HG by NV, PI and EH; NV's estimate is infinite."""
    cells = [row.split(":") for row in ENDOMETRIAL.split()]
    X = np.array([[float(both[0]), float(PI), float(EH)] for both, PI, EH in cells])
    y = np.array([float(both[1]) for both, _, _ in cells])
    estimates = (2.92927330, -0.03475175, -2.60416387, 3.77455951)
    intervals = (
        (0.6097244, 7.85463171),
        (-0.1244587, 0.04045547),
        (-4.3651832, -1.23272106),
        (1.0825371, 7.20928050),
    )
    return Published(X, y, ("NV", "PI", "EH"), estimates, intervals)


def sex2() -> Published:
    """239 women: infections by contraception; the estimate of dia is infinite."""
    rows = [(code, int(times)) for code, times in (group.split(":") for group in SEX2.split())]
    table = np.array([[float(digit) for digit in code] for code, times in rows for _ in range(times)])
    estimates = (-1.10598131, -0.06881673, 2.26887464, -2.11140817, -0.78831694, 3.09601166, 0.12025405)
    intervals = (
        (-1.9737884, -0.30742514),
        (-0.9414363, 0.78920202),
        (1.2730216, 3.43543273),
        (-3.2608611, -1.11773495),
        (-1.6080879, 0.01518468),
        (0.7745682, 8.03029352),
        (-0.8185591, 1.07315122),
    )
    return Published(table[:, 1:], table[:, 0], ("age", "oc", "vic", "vicl", "vis", "dia"), estimates, intervals)
