"""Product: test/<api>_doubles.cc: bodies for the limit layer's custom entries that do nothing but
answer, so that the plumbing is tested without the layer. One includes it in a test program. And
test/<api>_answers.h: a Table of nothing but answers."""
from cpp import NOTE, types


def double(entry):
    body = {"void": "", "cl_int": " return CL_INVALID_VALUE; "}.get(entry.result, " return nullptr; ")
    return f"{entry.result} CL_API_CALL limit_{entry.name}({types(entry)}) {{{body}}}\n"


def products(spec):
    bodies = "".join(double(e) for e in spec.entries if e.limit == "custom")
    text = (f'#include "limit/{spec.api}/entries.h"\n\nnamespace flexai::limit::{spec.api} {{\n\n'
            f"{bodies}\n}}  // namespace flexai::limit::{spec.api}\n")
    fills = "".join(f"  table.{e.name} = Answer<decltype(table.{e.name})>::call;\n" for e in spec.entries)
    answers = (f'#pragma once\n\n#include "driver/{spec.api}/table.h"\n\nnamespace flexai::test {{\n\n'
               "// Answer<F>::call is what an entry of type F does.\n"
               f"template <template <typename> class Answer>\ndriver::{spec.api}::Table answering_table() {{\n"
               f"  driver::{spec.api}::Table table;\n{fills}  return table;\n}}\n\n}}  // namespace flexai::test\n")
    note = NOTE.format(api=spec.api)
    return {f"test/{spec.api}_doubles.cc": note + text, f"test/{spec.api}_answers.h": note + answers}
