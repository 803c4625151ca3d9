# SPDX-License-Identifier: BSD-3-Clause
"""Strings as bitmaps: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP, BITFIELD, BITFIELD_RO."""

FAR_OFFSETS = [b"4294967296", b"4294967295", b"-1", b"9223372036854775807", b"4294967288",
               b"-9223372036854775808", b"9223372036854775808", b"x", b"", b"1.5", b"01"]
# For what reads: beyond the end of every string.
READ_OFFSETS = [b"4294967295", b"4294967288", b"100000"] + FAR_OFFSETS
ODD_TYPES = [b"u64", b"i65", b"u0", b"i0", b"U8", b"u", b"", b"8", b"u08", b"i-1", b"u 8", b"f8"]
VALUES = [b"0", b"1", b"-1", b"127", b"128", b"-128", b"-129", b"255", b"256",
          b"4294967295", b"4294967296", b"9223372036854775807", b"-9223372036854775808"]


def commands(pick):
    keys = pick.string_keys

    def key():
        return pick.of(keys)

    def name(word):
        return pick.case(word)

    def offset(far, limit=700):
        if pick.random() < 0.94:
            return b"%d" % pick.int_below(limit)
        return pick.one(far)

    def write_offset(limit=700):
        # Those of half a gigabyte are for the suite.
        return offset([o for o in FAR_OFFSETS if not o.startswith(b"42949672") or
                       o == b"4294967296"], limit)

    def index():
        roll = pick.random()
        if roll < 0.75:
            return b"%d" % pick.randint(-40, 40)
        return b"%d" % pick.randint(-600, 600) if roll < 0.9 else pick.integer()

    def unit():
        return pick.one([[], [], [b"BIT"], [b"bit"], [b"BYTE"], [b"bits"], [b"BIT", b"1"]])

    def bitcount():
        words = [name(b"BITCOUNT"), key()]
        if pick.chance(0.85):
            words += [index(), index()] + unit()
        elif pick.chance(0.2):
            words.append(index())
        return words

    def bitpos():
        words = [name(b"BITPOS"), key(), pick.one([b"0", b"1"]) if pick.chance(0.95) else index()]
        roll = pick.int_below(4)
        if roll > 0:
            words.append(index())
        if roll > 1:
            words += [index()] + unit()
        return words

    def bitop():
        word = pick.one([b"AND", b"OR", b"XOR", b"NOT", b"and", b"Xor", b"NAND"])
        count = 1 if word == b"NOT" and pick.chance(0.9) else 1 + pick.int_below(4)
        return [name(b"BITOP"), word, key()] + [key() for _ in range(count)]

    def field_type():
        if pick.random() < 0.96:
            signed = pick.chance(0.5)
            width = pick.one([1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 57, 62, 63, 64])
            return b"i%d" % width if signed else b"u%d" % min(width, 63)
        return pick.one(ODD_TYPES)

    def field_offset(write):
        if pick.chance(0.3):
            return b"#" + (b"%d" % pick.int_below(20) if pick.chance(0.95) else
                           pick.one([b"", b"x", b"-1", b"#1", b"4294967296"]))
        return write_offset(400) if write else offset(READ_OFFSETS, 400)

    def field_value():
        roll = pick.random()
        if roll < 0.5:
            return b"%d" % pick.randint(-300, 300)
        if roll < 0.9:
            return pick.one(VALUES)
        return b"%d" % pick.randint(-2 ** 63, 2 ** 63 - 1) if roll < 0.98 else pick.integer()

    def field_op(read_only):
        roll = pick.random()
        if read_only or roll < 0.25:
            return [name(b"GET"), field_type(), field_offset(False)]
        if roll < 0.45:
            return [name(b"OVERFLOW"), pick.one([b"WRAP", b"SAT", b"FAIL", b"sat", b"fail"])
                    if pick.chance(0.97) else b"none"]
        return [name(pick.one([b"SET", b"INCRBY"])), field_type(), field_offset(True),
                field_value()]

    def bitfield():
        words = [name(b"BITFIELD"), key()]
        for _ in range(pick.one([0, 1, 1, 2, 3, 4, 12])):
            words += field_op(False)
        if pick.chance(0.02):
            words.append(pick.one([b"GET", b"SET", b"OVERFLOW", b"x"]))
        return words

    def bitfield_ro():
        words = [name(b"BITFIELD_RO"), key()]
        for _ in range(pick.one([0, 1, 2, 3])):
            words += field_op(pick.chance(0.9))
        return words

    def incomplete():
        words = pick.one([[b"SETBIT", key(), b"7", b"1"], [b"BITFIELD", key()]])
        return words[:1 + pick.int_below(3)] if pick.chance(0.7) else words + [pick.value()]

    return [
        (1, incomplete),
        (10, lambda: [name(b"SETBIT"), key(), write_offset(),
                      pick.one([b"0", b"1", b"1"]) if pick.chance(0.97) else pick.integer()]),
        (6, lambda: [name(b"GETBIT"), key(), offset(READ_OFFSETS)]),
        (8, bitcount),
        (8, bitpos),
        (6, bitop),
        (16, bitfield),
        (6, bitfield_ro),
        (4, lambda: [name(b"SET"), key(), pick.one([b"\xff", b"\x00", b"\x0f"]) *
                     pick.int_below(70)]),
        (3, lambda: [name(b"SET"), key(), pick.value()]),
        (2, lambda: [name(b"GET"), key()]),
        (1, lambda: [name(b"DEL"), key()]),
        (1, lambda: [name(b"EXPIRE"), key(), pick.far_seconds()]),
        (1, lambda: [b"COMMAND", b"GETKEYSANDFLAGS"] + bitfield()),
        (1, lambda: [name(b"SADD"), key(), pick.member()]),
    ]
