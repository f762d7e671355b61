"""What is special about the year, by day: 0 is the first."""

from __future__ import annotations

CITY_CLOCK_AHEAD, POLICE_CLOCK_LATE = 52, 56
POLICE_SILENT = range(70, 80)
COLLEGE_FIRST_SIGNATURE, COLLEGE_JOINS = 38, 40
ROOT_OFFICER_REPLACED, ONLINE_KEY_REPLACED, LIST_OFFICERS_REPLACED = 60, (120, 240), 180
CITY_KEY_REPLACED, CITY_OLD_KEY_USED = 150, (151, 152, 153)
LEAK, LEAK_FOUND, COLLEGE_NEW_KEY = 220, 225, 226
NO_STICK = range(270, 315)
CLOCK_BACK_400, CLOCK_AHEAD_10, CLOCK_AHEAD_400 = 100, 130, 200
C_FORGETS_TIME = 137
B_CLOSED, B_CLOCK_BACK_3 = range(161, 166), 166
PHONE_OFFLINE, PHONE_LONG_OFFLINE = (100, 131), (100, 141)
LIES = {
    12: "old",
    33: "mixed timestamp",
    47: "changed",
    64: "cut",
    85: "mixed snapshot",
    95: "dropped",
    110: "expired",
    125: "old",
    145: "own",
    170: "mixed status",
    211: "changed",
    241: "old",
    262: "own",
    290: "mixed timestamp",
    330: "expired",
    350: "old",
}
