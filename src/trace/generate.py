#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""generate.py COUNT [SEED]: type-correct scripts, one a line, from a grammar of the language.

What they print is the same on every run. What we do otherwise than bpftrace on purpose (signed division and
shifts, see docs/tracing-language.md) is left out, so that answers can be compared.
"""
import random
import sys


class Script:
    def __init__(self, rng):
        self.rng = rng
        self.names = 0
        self.variables = [{}]  # scopes: name -> type
        self.maps = {}  # name -> (key type or None, value type)
        self.depth = 0

    def pick(self, *choices):
        return self.rng.choice(choices)

    def visible(self, kind):
        return [n for scope in self.variables for n, t in scope.items() if t == kind]

    def literal(self):
        return str(self.pick(0, 1, 2, 3, 7, 10, 100, 127, 128, 255, 256, 1000, 40000, 65535, 65536, 1 << 31,
                             5000000000, self.rng.randrange(1 << 20)))

    def text(self):
        return '"' + ''.join(self.rng.choice('abcdefgh,.') for _ in range(self.rng.randrange(0, 12))) + '"'

    def integer(self):
        self.depth += 1
        try:
            if self.depth > 4:
                return self.leaf()
            return self.pick(self.leaf, self.leaf, self.arithmetic, self.cast, self.ternary, self.tuple_part,
                             self.string_length, self.block)()
        finally:
            self.depth -= 1

    def leaf(self):
        known = self.visible('int')
        maps = [n for n, (k, v) in self.maps.items() if v == 'int' and k is None]
        keyed = [n for n, (k, v) in self.maps.items() if v == 'int' and k == 'int']
        options = [self.literal]
        if known:
            options += [lambda: self.rng.choice(known)] * 3
        if maps:
            options.append(lambda: self.rng.choice(maps))
        if keyed:
            options.append(lambda: f'{self.rng.choice(keyed)}[{self.literal()}]')
        return self.rng.choice(options)()

    def arithmetic(self):
        op = self.pick('+', '-', '*', '&', '|', '^', '+', '-')
        return f'({self.integer()} {op} {self.integer()})'

    def cast(self):
        return f'({self.pick("uint8", "uint16", "uint32", "int32", "int64", "int16", "int8")}){self.leaf()}'

    def ternary(self):
        return f'({self.condition()} ? {self.small()} : {self.small()})'

    def small(self):
        return str(self.rng.randrange(100))

    def tuple_part(self):
        at = self.rng.randrange(2)
        return f'({self.small()}, {self.small()}, {self.text()}).{at}'

    def string_length(self):
        return f'strlen({self.string()})'

    def block(self):
        name = self.fresh()
        return f'{{ let {name} = {self.literal()}; {name} + {self.small()} }}'

    def string(self):
        known = self.visible('string')
        return self.rng.choice(known) if known and self.rng.random() < 0.6 else self.text()

    def condition(self):
        self.depth += 1
        try:
            kind = self.rng.randrange(6 if self.depth < 4 else 2)
            if kind < 2:
                return f'{self.leaf()} {self.pick("==", "!=", "<", ">", "<=", ">=")} {self.literal()}'
            if kind == 2:
                return f'({self.condition()} {self.pick("&&", "||")} {self.condition()})'
            if kind == 3:
                return f'!({self.condition()})'
            if kind == 4:
                return f'{self.string()} {self.pick("==", "!=")} {self.text()}'
            return self.pick('true', 'false')
        finally:
            self.depth -= 1

    def fresh(self):
        self.names += 1
        return f'$v{self.names}'

    def fresh_map(self):
        self.names += 1
        return f'@m{self.names}'

    def statement(self):
        options = [self.let_int, self.let_int, self.let_string, self.set_map, self.set_keyed, self.set_string_map, self.count,
                   self.show, self.show, self.show_text, self.change, self.formatted, self.tuple_map]
        if self.depth < 3:
            options += [self.branch, self.loop, self.walk]
        return self.rng.choice(options)()

    def let_int(self):
        name, value = self.fresh(), self.integer()
        self.variables[-1][name] = 'int'
        return f'{name} = (int64)({value});'

    def let_string(self):
        name, value = self.fresh(), self.string()
        self.variables[-1][name] = 'string'
        return f'{name} = {value};'

    def set_map(self):
        name, value = self.fresh_map(), self.integer()
        self.maps[name] = (None, 'int')
        return f'{name} = (int64)({value});'

    def set_keyed(self):
        known = [n for n, kv in self.maps.items() if kv == ('int', 'int')]
        name = self.rng.choice(known) if known and self.rng.random() < 0.5 else self.fresh_map()
        line = f'{name}[{self.literal()}] = (int64)({self.integer()});'
        self.maps[name] = ('int', 'int')
        return line

    def set_string_map(self):
        name = self.fresh_map()
        return f'{name}[{self.string()}, {self.small()}] = {self.string()};'

    def tuple_map(self):
        name = self.fresh_map()
        return f'{name} = ({self.small()}, {self.string()}, ({self.literal()}, true)); print({name}.1);'

    def count(self):
        name = self.fresh_map()
        key = self.pick('', f'[{self.literal()}]', f'[{self.text()}]')
        call = self.pick('count()', f'sum({self.small()})', f'min({self.small()})', f'max({self.small()})',
                         f'avg({self.small()})', f'stats({self.small()})', f'hist({self.literal()})',
                         f'lhist({self.small()}, 0, 100, 10)')
        return f'{name}{key} = {call};' * self.rng.randrange(1, 3)

    def show(self):
        return f'print({self.integer()});'

    def show_text(self):
        return f'print({self.string()});'

    def formatted(self):
        return f'printf("%d %s %x|%5d|%-6s\\n", {self.integer()}, {self.string()}, {self.leaf()}, {self.small()}, {self.text()});'

    def change(self):
        known = self.visible('int')
        if not known:
            return self.let_int()
        name = self.rng.choice(known)
        return self.pick(f'{name}++;', f'{name}--;', f'{name} += {self.small()};', f'{name} -= {self.small()};',
                         f'{name} *= {self.small()};', f'{name} ^= {self.small()};')

    def body(self):
        self.depth += 1
        self.variables.append({})
        lines = ' '.join(self.statement() for _ in range(self.rng.randrange(1, 3)))
        self.variables.pop()
        self.depth -= 1
        return lines

    def branch(self):
        other = f' else {{ {self.body()} }}' if self.rng.random() < 0.5 else ''
        return f'if ({self.condition()}) {{ {self.body()} }}{other}'

    def loop(self):
        name = self.fresh()
        self.variables.append({name: 'int'})
        line = f'for ({name} : 0..{self.rng.randrange(1, 5)}) {{ {self.body()} }}'
        self.variables.pop()
        return line

    def walk(self):
        known = [n for n, kv in self.maps.items() if kv == ('int', 'int')]
        if not known:
            return self.loop()
        total, pair = self.fresh(), self.fresh()
        self.variables[-1][total] = 'int'
        return f'{total} = (int64)0; for ({pair} : {self.rng.choice(known)}) {{ {total} += {pair}.0 + {pair}.1; }} print({total});'

    def whole(self):
        lines = ' '.join(self.statement() for _ in range(self.rng.randrange(2, 9)))
        return f'begin {{ {lines} }}'


def main():
    count = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    print(f'# seed {seed}')
    for i in range(count):
        print(Script(random.Random(seed + i)).whole())


main()
