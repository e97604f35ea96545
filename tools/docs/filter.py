#!/usr/bin/env python3
# tools/docs/filter.py: rewrites the comments of one file into those that Doxygen reads.
#
#   filter.py FOLDER FILE.h ... README.md   writes them below FOLDER
#
# A header keeps the number of every line. README.md becomes the main page: what limpid is, and its
# reading order. Fails with file:line: reason for a class, and for the first free function of a
# group, without a comment. A struct and an enumeration explain themselves by what is in them, a
# member function by its name or by the comment above its group.
#
#   in the source                                in the reference
#   // path: purpose.  and what follows          documentation of the file
#   /// text above a declaration                 its documentation; the first sentence is the brief
#   declaration;  // text                        the same
#   // ---- Title ----                           a heading over the declarations that follow
#   an overload right below another              has the comment of that one
#   a function right below the struct it gives   refers to the comment of that
#   lines that are set in, or have gaps          formulas and tables, as they are
#
# Everything else in a comment is prose, in which no character has a meaning: not *, _, <, \ or %.
import os
import re
import sys

SENTENCE = re.compile(r'[.?!](?=\s+[^a-z\s])')
HEADING = re.compile(r'\s*// ---- (.*) ----$')
ABBREVIATION = re.compile(r'\b(?:e\.g|i\.e|al|eqs?|sec|fig|vs|pp)\.$')


def escaped(text):
    """Prose as Doxygen must have it to take it literally."""
    text = re.sub(r'([\\@<>&#%$])', r'\\\1', text).replace('--', r'\--')
    text = re.sub(r'`([^`]+)`', r'<tt>\1</tt>', text)
    return re.sub(r'^([-+*]|\d+[.)])(?= )', r'&zwj;\1', text)  # not a list


def is_set(line):
    return line.startswith('  ') or re.search(r'\S {2,}\S', line) is not None


def parts(lines):
    """Runs of prose and of lines laid out by hand: [is set, lines, follows a blank line]."""
    result, gap = [], []
    for line in lines:
        if not line.strip():
            gap.append('')
        elif result and result[-1][0] == is_set(line) and (is_set(line) or not gap):
            result[-1][1] += gap + [line]
            gap = []
        else:
            result.append([is_set(line), [line], bool(gap)])
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
    for number, (is_table, part, is_paragraph) in enumerate(parts(lines)):
        start = '' if number else r'\brief '
        if is_table and not (number == 0 and len(part) == 1):
            indent = min(len(line) - len(line.lstrip()) for line in part if line)
            part = [line[indent:].replace('*/', '* /') for line in part]
            begin = r'\verbatim'  # at the end of a line: what follows it on its line loses its indent
            if number:
                out[-1] += (r' \details ' if number == 1 else ' ') + begin
            else:
                part[0] = begin + ' ' + part[0]
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
            out += [''] * is_paragraph
            out.append((r'\details ' if number == 1 else '') + escaped(text))
    out += [''] * (len(lines) - len(out))
    out[0] = ('/**< ' if after else '/** ') + command + out[0]
    out[-1] += ' */'
    return out


def main_page(lines):
    """The introduction and the reading order of README.md."""
    first = next(n for n, line in enumerate(lines) if line.startswith('## '))
    order = lines.index('## Reading order')
    end = next(n for n in range(order + 1, len(lines)) if lines[n].startswith('## '))
    out = [r'/** \mainpage limpid']
    for line in lines[1:first] + lines[order:end]:
        item = re.match(r'\d+\. (.*)', line)
        if line.startswith('## '):
            out.append(r'\section reading_order ' + line[3:])
        else:
            out.append(('-# ' if item else '') + escaped(item.group(1) if item else line))
    return out + ['*/']


class Scopes:
    """Reads code line by line and knows whether it stands among declarations."""

    def __init__(self):
        self.stack = []       # namespace, class, enum or body
        self.statement = ''   # since the last ; { or }
        self.parentheses = 0
        self.names = []       # of namespaces
        self.titled = None    # depth of the heading that is open

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

    def heading(self, title):
        """The line that opens the heading, and closes the one before."""
        line = '/**@}*/ ' if self.titled == len(self.stack) else ''
        self.titled = len(self.stack)
        return line + r'/** \name ' + escaped(title) + ' */ /**@{*/'

    def ends_heading(self, code):
        """Whether the declarations below a heading end at this line."""
        ends = self.titled == len(self.stack) and self.starts() and (
            code.lstrip().startswith('}') or re.match(r'\s*(public|protected|private):', code))
        if ends:
            self.titled = None
        return ends

    def kind(self):
        text = re.sub(r'\btemplate\s*<.*?>\s*(?=class|struct|inline|static|void|\w)', '',
                      self.statement).strip()
        word = re.match(r'(inline )?(\w+)', text)
        word = word.group(2) if word else ''
        if word == 'namespace' or text.startswith('extern 0'):
            self.names = re.findall(r'\w+', text)[1:]
            return 'namespace'
        if word == 'enum':
            return 'enum'
        return 'class' if word in ('class', 'struct', 'union') and '(' not in text else 'body'


def split(line):
    """Code and trailing comment of a line."""
    quoted = re.match(r'(?:"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])+\'|[^"\'/]|/(?!/)|\'(?=\d))*', line)
    code = quoted.group()
    return code, line[len(code):]


def is_uncommented(code, following):
    """Whether this is the first line of a class or a free function, which need a comment."""
    text = re.sub(r'^\s*template\s*<.*>$', '', code) or following
    if re.match(r'\s*(template <.*> )?class \w+.*{', text):
        return True
    call = re.match(r'[^(=]*\w|.*\boperator[^\s\w]+', text)  # no variable, no Class::member
    return '(' in text and call and text[call.end():].startswith('(') and not re.match(
        r'\s*(namespace|class|struct|enum|using|extern|friend|static_assert)\b|.*\w::\w+\(', text)


def header(lines, complaints):
    out, n = [], 0
    while n < len(lines) and lines[n].startswith('//'):
        n += 1
    head = [line[2:].removeprefix(' ') for line in lines[:n]]
    path, purpose = head[0].split(': ', 1)
    out += documentation([purpose] + head[1:], command='\\file ' + path + ' ')
    if path.endswith('.inl.h'):
        return out  # a fragment of kernels/*.cpp, included once per instruction set
    scopes = Scopes()
    opened = None
    comment, is_new = [], False  # text above the next declaration, or above an earlier one
    name = ''                    # of that one; '' after a blank line
    struct = None                # name of the struct that ended on the line before
    in_group = False             # right below another declaration
    while n < len(lines):
        line = lines[n]
        raw = re.search(r'R"(\w*)\(', line)
        if raw:  # no code inside
            while not lines[n].endswith(')' + raw.group(1) + '";'):
                out.append(lines[n])
                n += 1
            out.append(lines[n])
            n += 1
            continue
        code, trailing = split(line)
        indent = line[:len(line) - len(line.lstrip())]
        m = n
        if not code.strip() and trailing and scopes.declares():
            while m < len(lines) and re.match(r'\s*//', lines[m]):
                m += 1
            text = [re.sub(r'^\s*///? ?', '', each) for each in lines[n:m]]
            is_new = trailing.startswith('///')
            if is_new:
                comment = text
                out += [indent + each for each in documentation(text)]
            else:
                heading = HEADING.match(lines[n])
                if heading:
                    out.append(indent + scopes.heading(heading.group(1)))
                out += lines[n + bool(heading):m]
            in_group = in_group or not is_new
            n = m
            continue
        if code.strip() and scopes.starts() and not code.startswith(('#', '}')):
            here = re.search(r'(operator *[^\s\w]+|~?\w+)\(', code)
            here = here.group(1) if here else ''
            if is_new:
                name = here
            elif here and here == name and not any(is_set(each) for each in comment):
                code = indent + ' '.join(filter(None, documentation(comment))) + ' ' + code.strip()
            elif struct and re.match(struct + r'\b', code):
                code = '/** \\brief See ' + struct + '. */ ' + code
                name = here
            else:
                name = ''
                if not in_group and set(scopes.stack) == {'namespace'} and \
                   'detail' not in scopes.names and not trailing and \
                   is_uncommented(code, lines[n + 1]):
                    complaints.append(f'{path}:{n + 1}: no comment: {code.strip()}')
            is_new = False
        in_group = bool(code.strip()) and not code.rstrip().endswith('{')
        if not code.strip():
            name = ''
        depth = len(scopes.stack)
        if scopes.ends_heading(code):
            code = '/**@}*/ ' + code
        scopes.read(split(line)[0])
        if len(scopes.stack) > depth and scopes.stack == ['namespace', 'class']:
            found = re.search(r'\bstruct (\w+)', code)
            opened = found.group(1) if found and comment and name == '' else None
        struct = opened if code.startswith('};') and len(scopes.stack) == 1 else None
        last = code.rstrip()[-1:]
        says = trailing and not re.match(r'\s*}$|\s*(class|struct) \w+;|#', split(line)[0].rstrip())
        if says and (last in ';,}' and scopes.declares() or
                     scopes.stack[-1:] == ['enum'] and last != '{'):
            m = n + 1
            column = len(code)
            while m < len(lines) and re.match(r' {%d}// ' % column, lines[m]):
                m += 1
            text = [each[len(split(line)[0]) + 2:].strip() for each in lines[n:m]]
            doc = documentation(text, after=True)
            out.append(code + doc[0])
            out += [indent + each for each in doc[1:]]
            n = m
            continue
        out.append(code + trailing)
        n += 1
    return out


def main():
    target, complaints = sys.argv[1], []
    for path in sys.argv[2:]:
        with open(path, encoding='utf-8') as file:
            lines = file.read().splitlines()
        is_page = path.endswith('.md')
        place = os.path.join(target, 'main_page.dox' if is_page else path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, 'w', encoding='utf-8') as file:
            result = main_page(lines) if is_page else header(lines, complaints)
            file.write('\n'.join(result) + '\n')
    print(*complaints, sep='\n', end='\n' if complaints else '', file=sys.stderr)
    return 1 if complaints else 0


sys.exit(main())
