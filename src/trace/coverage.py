#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""coverage.py GOLDEN SOURCES >docs/tracing-coverage.md

What bpftrace 0.27 documents (docs/language.md, docs/stdlib.md), each with how many scripts of golden.txt
compare our answer with its, or the test of our own that holds it to the truth, or "not yet".
"""
import pathlib
import re
import sys

# what golden scripts cannot show because it differs from run to run, or needs another kernel
OWN_TESTS = {
    'uprobe': 'run_test: counts and sums of a program that knows them',
    'uretprobe': 'run_test: counts and sums of a program that knows them',
    'usdt': 'run_test: arguments of every kind, semaphore, two places of one name',
    'tracepoint': 'run_test: counts of system calls',
    'uaddr': 'run_test: a variable of the traced program',
    'kprobe': 'by hand in the VM kernels: counts', 'kretprobe': 'by hand in the VM kernels: counts',
    'fentry': 'by hand in the VM kernels: counts, arguments', 'fexit': 'by hand in the VM kernels: counts',
    'iter': 'by hand in the VM kernels',
    'path': 'by hand in the VM kernels', 'self': 'by hand', 'test': 'files_test', 'bench': 'by hand',
    'watchpoint': 'run_test: a variable of another process',
    'import': 'files_test',
    'str': None, 'args': 'run_test: arguments of a traced function',
    'elapsed': 'generated_test', 'percpu_kaddr': 'by hand on 6.12: run queues of two CPUs',
    'container': 'files_test: groups made by hand, one with a state file', 'pod': 'files_test: groups made by hand, one with a state file',
    'ready scripts': 'files_test: each is checked and attached or refused with the reason',
    'C++ names': 'demangle_test', '--max-cost': 'files_test', '--max-time': 'files_test', '--max-events': 'files_test', 'argN': 'run_test: arguments of a traced function',
}
SECTIONS = {
    'Probes': ['begin', 'end', 'interval', 'profile', 'software', 'hardware', 'tracepoint', 'rawtracepoint',
               'uprobe', 'uretprobe', 'usdt', 'kprobe', 'kretprobe', 'fentry', 'fexit', 'iter', 'self', 'test',
               'bench', 'watchpoint'],
    'Statements and expressions': {
        'let': r'\blet \$', 'let with a type': r'\blet \$\w+ ?:', 'map declaration': r'\blet @', 'if': r'\bif\b',
        'else': r'\belse\b', 'ternary': r' \? .* : ', '?:': r'\?:', 'while': r'\bwhile\b',
        'for over a range': r'\bfor .*\.\.', 'for over a map': r'\bfor .* : @', 'unroll': r'\bunroll\b',
        'break': r'\bbreak\b', 'continue': r'\bcontinue\b', 'return': r'\breturn\b', 'macro': r'^macro\b',
        'block expression': r'= \{ ', 'discarding (_ =)': r'\b_ = ', 'config block': r'^config\b',
        'struct': r'^struct\b', 'union': r'\bunion\b', 'enum': r'^enum\b', 'bit field': r'int \w+:\d',
        'predicate': r'^\w+ /', 'cast': r'\((u?int\d+|struct \w+ \*)\)', 'int to array cast': r'\(u?int\d+\[\d*\]\)',
        'tuple': r'\(\d, ?"?\w', 'record': r'\(\w+=', 'tuple index [n]': r'\)\[\d\]', 'address of (&)': r'= &\$',
        'array index': r'\$\w\[\d\]', 'multi-part key': r'@\w*\[[^\]]+,', 'sizeof': r'\bsizeof\(',
        'offsetof': r'\boffsetof\(', 'duration literal': r'\d(ns|us|ms|s|m|h|d)\b', 'scientific literal': r'\b\de\d',
        'digit separator': r'\d_\d', 'hexadecimal': r'\b0x', 'octal': r'\b0\d', 'string escapes': r'\\[ntx0]',
        'import': r'^import\b', 'named parameters': r'\bgetopt\b', 'positional parameters': r'\$\d', '$#': r'\$#',
    },
    'Operators': {op: re.escape(op) for op in
                  ['+', '-', '*', '/', '%', '&&', '||', '!', '&', '|', '^', '~', '<<', '>>', '<', '<=', '>', '>=',
                   '==', '!=', '=', '+=', '-=', '*=', '/=', '%=', '&=', '|=', '^=', '<<=', '>>=', '++', '--']},
    'Functions and builtins': '''args argN assert bswap buf cat cgroup cgroup_path cgroupid clear comm config container_of cpid cpu
        curtask default_str_length delete dw_ustack elapsed errorf exit fail find func getopt gid globmatch has_cpid has_key
        is_array is_err is_integer is_literal is_ptr is_str is_unsigned_integer jiffies join kaddr kfunc_allowed
        kfunc_exist kptr kstack ksym leader_comm leader_tid len macaddr memcmp ncpus nsecs ntop numaid override path pcomm percpu_kaddr
        pid ppid print printf probe probetype pton rand reg retval signal signal_name signal_thread skboutput
        socket_cookie static_assert str str_concat strcap strcontains strerror strftime strlen strncmp strstr syscall_name
        system tid time typeinfo uaddr uid unwatch uptr usermode username ustack usym warnf write_user zero'''.split(),
    'Map value functions': 'avg count hist lhist max min stats sum tseries'.split(),
    'Ours': ['container', 'pod', 'ready scripts', 'C++ names', '--max-cost', '--max-time', '--max-events'],
    'Config variables': '''cache_user_symbols cpp_demangle lazy_symbolication license log_size max_bpf_progs
        max_cat_bytes max_map_keys max_probes max_strlen missing_probes on_stack_limit perf_rb_pages
        show_debug_info stack_mode str_trunc_trailer print_maps_on_exit unstable_tseries'''.split(),
}
UNSUPPORTED = {'skboutput', 'dw_ustack'}


def main():
    golden = pathlib.Path(sys.argv[1]).read_text()
    scripts = [re.sub(r'^t?> ', '', line) for line in golden.splitlines() if re.match(r't?> ', line)]
    version = re.search(r'recorded with: (.*)', golden).group(1)
    print('# What of the language is tested\n')
    print(f'Made by `src/trace/coverage.py`. {len(scripts)} scripts are compared with the recorded answers of '
          f'{version}; a number\nsays how many of them use the thing. "there" means: accepted and working, and '
          'compared with nothing yet.\n')
    for section, names in SECTIONS.items():
        print(f'## {section}\n\n| | compared with bpftrace | own test |\n|---|---|---|')
        for name in names:
            pattern = names[name] if isinstance(names, dict) else r'\b' + re.escape(name) + r'\b'
            if section == 'Probes':
                pattern = r'(^|[ ,])' + name + r'\b'
            if name == 'argN':
                pattern = r'\barg\d'
            count = sum(bool(re.search(pattern, script)) for script in scripts)
            own = OWN_TESTS.get(name) or ''
            state = f'{count}' if count else ('not supported yet' if name in UNSUPPORTED else
                                              '' if own else 'there')
            print(f'| `{name.replace("|", chr(92) + "|")}` | {state} | {own} |')
        print()


main()
