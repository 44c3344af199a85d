"""Product: test/<api>_doubles.cc: bodies for the limit layer's custom entries that do nothing but
answer, so that the plumbing is tested without the layer. One includes it in a test program."""
from cpp import NOTE, types


def double(entry):
    body = {"void": "", "cl_int": " return CL_INVALID_VALUE; "}.get(entry.result, " return nullptr; ")
    return f"{entry.result} CL_API_CALL limit_{entry.name}({types(entry)}) {{{body}}}\n"


def products(spec):
    bodies = "".join(double(e) for e in spec.entries if e.limit == "custom")
    text = (f'#include "limit/{spec.api}/entries.h"\n\nnamespace flexai::limit::{spec.api} {{\n\n'
            f"{bodies}\n}}  // namespace flexai::limit::{spec.api}\n")
    return {f"test/{spec.api}_doubles.cc": NOTE.format(api=spec.api) + text}
