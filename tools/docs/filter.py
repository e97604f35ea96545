#!/usr/bin/env python3
# tools/docs/filter.py: rewrites the comments of one file into those that Doxygen reads.
#
#   filter.py FILE.h      the header; every line keeps its number
#   filter.py README.md   the main page: what limpid is, and its reading order
#
#   in the source                                in the reference
#   // path: purpose.  and what follows          documentation of the file
#   /// text above a declaration                 its documentation; the first sentence is the brief
#   declaration;  // text                        the same
#   // ---- Title. Text ----                     a heading over the declarations that follow
#   an overload right below another              has the comment of that one
#   lines that are set in, or have gaps          formulas and tables, as they are
#
# Everything else in a comment is prose, in which no character has a meaning: not *, _, <, \ or %.
import os
import re
import sys

SENTENCE = re.compile(r'[.?!](?=\s+[^a-z\s])')
ABBREVIATION = re.compile(r'\b(?:e\.g|i\.e|al|eqs?|sec|fig|vs|pp?|no)\.$', re.IGNORECASE)


def escaped(text):
    """Prose as Doxygen must have it to take it literally."""
    text = re.sub(r'([\\@<>&#%$])', r'\\\1', text).replace('--', r'\--')
    return re.sub(r'^([-+*]|\d+[.)])(?= )', r'&zwj;\1', text)  # not a list


def is_set(line):
    return line.startswith('  ') or re.search(r'\S {2,}\S', line) is not None


def parts(lines):
    """Runs of prose and of lines laid out by hand, [is set, lines]; blank lines separate prose."""
    result, gap = [], []
    for line in lines:
        if not line.strip():
            gap.append('')
        elif result and result[-1][0] == is_set(line) and (is_set(line) or not gap):
            result[-1][1] += gap + [line]
            gap = []
        else:
            result.append([is_set(line), [line]])
            gap = []
    return result


def first_sentence(text):
    for end in SENTENCE.finditer(text):
        if not ABBREVIATION.search(text[:end.end()]):
            return text[:end.end()], text[end.end():].strip()
    return text, ''


def documentation(lines, command='', after=False):
    """The comment, in as many lines as the text has."""
    out = []
    for number, (is_table, part) in enumerate(parts(lines)):
        start = '' if number else r'\brief '
        if is_table and not (number == 0 and len(part) == 1):
            indent = min(len(line) - len(line.lstrip()) for line in part if line)
            part = [line[indent:].replace('*/', '* /') for line in part]
            part[0] = (r'\details ' if number == 1 else '') + r'\verbatim ' + part[0]
            part[-1] += r' \endverbatim'
            out += part
            continue
        text = ' '.join(line.strip() for line in part)
        if number == 0:
            brief, text = first_sentence(text)
            out.append(r'\brief ' + escaped(brief))
            if text:
                out[-1] += r' \details ' + escaped(text)
        else:
            # A new paragraph, unless it goes on below a formula
            out.append((r'\details ' if number == 1 else '') + escaped(text))
    out += [''] * (len(lines) - len(out))
    out[0] = ('/**< ' if after else '/** ') + command + out[0]
    out[-1] += ' */'
    return out


class Scopes:
    """Reads code line by line and knows whether it stands among declarations."""

    def __init__(self):
        self.stack = []       # namespace, class, enum or body
        self.statement = ''   # since the last ; { or }
        self.parentheses = 0

    def declares(self):
        return 'body' not in self.stack and self.parentheses == 0

    def starts(self):
        return self.declares() and not self.statement.strip()

    def read(self, code):
        if code.lstrip().startswith('#'):
            return
        code = re.sub(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])+\'', '0', code)
        for c in code + ' ':
            if c == '{' and not self.parentheses:
                self.stack.append(self.kind())
                self.statement = ''
            elif c == '}' and not self.parentheses:
                self.stack.pop()
                self.statement = ''
            elif c == ';' and not self.parentheses:
                self.statement = ''
            else:
                self.parentheses += (c in '([') - (c in ')]')
                self.statement += c
        if re.fullmatch(r'\s*(public|protected|private):\s*', self.statement):
            self.statement = ''

    def kind(self):
        text = re.sub(r'\btemplate\s*<.*?>\s*(?=class|struct|inline|static|void|\w)', '',
                      self.statement).strip()
        word = re.match(r'(inline )?(\w+)', text)
        word = word.group(2) if word else ''
        if word == 'namespace' or text.startswith('extern 0'):
            return 'namespace'
        if word == 'enum':
            return 'enum'
        return 'class' if word in ('class', 'struct', 'union') and '(' not in text else 'body'


def split(line):
    """Code and trailing comment of a line."""
    quoted = re.match(r'(?:"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])+\'|[^"\'/]|/(?!/)|\'(?=\d))*', line)
    code = quoted.group()
    return code, line[len(code):]


def header(lines):
    out, n = [], 0
    while n < len(lines) and lines[n].startswith('//'):
        n += 1
    head = [line[2:].removeprefix(' ') for line in lines[:n]]
    path, purpose = head[0].split(': ', 1)
    out += documentation([purpose] + head[1:], command='\\file ' + path + ' ')
    if path.endswith('.inl.h'):
        return out  # a fragment of kernels/*.cpp, included once per instruction set
    scopes = Scopes()
    previous, comment = '', []  # name of the declaration above and its comment
    while n < len(lines):
        line = lines[n]
        code, trailing = split(line)
        indent = line[:len(line) - len(line.lstrip())]
        m = n
        if not code.strip() and trailing and scopes.declares():
            while m < len(lines) and re.match(r'\s*//', lines[m]):
                m += 1
            text = [re.sub(r'^\s*///? ?', '', l) for l in lines[n:m]]
            if trailing.startswith('///'):
                comment = text
                out += [indent + l for l in documentation(text)]
                previous = None  # the next declaration has it
            else:
                out += lines[n:m]
            n = m
            continue
        if code.strip() and scopes.starts() and not code.startswith('#'):
            name = re.search(r'(operator *[^\s\w]+|~?\w+)\(', code)
            name = name.group(1) if name else ''
            if previous is None:
                previous = name
            elif previous and name == previous:
                code = indent + ' '.join(documentation(comment)).replace('\n', ' ') + ' ' + code.strip()
            else:
                previous = ''
        elif not code.strip():
            previous = ''
        scopes.read(split(line)[0])
        last = code.rstrip()[-1:]
        if trailing and last in ';,}' and scopes.declares() or \
           trailing and scopes.stack[-1:] == ['enum'] and last not in '{':
            m = n + 1
            column = len(code)
            while m < len(lines) and re.match(r' {%d}// ' % column, lines[m]):
                m += 1
            text = [l[column + 2:].removeprefix(' ') for l in [line] + lines[n + 1:m]]
            text = [t.strip() if i == 0 else t for i, t in enumerate(text)]
            doc = documentation(text, after=True)
            out.append(code + doc[0])
            out += [indent + d for d in doc[1:]]
            n = m
            continue
        out.append(code + trailing)
        n += 1
    return out


def main():
    target = sys.argv[1]
    for path in sys.argv[2:]:
        with open(path, encoding='utf-8') as file:
            lines = file.read().splitlines()
        place = os.path.join(target, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, 'w', encoding='utf-8') as file:
            file.write('\n'.join(header(lines)) + '\n')


main()
