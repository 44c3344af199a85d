#include "remote/opencl/worker/program_key.h"

#include <gtest/gtest.h>

#include <set>

namespace flexai::remote::opencl {
namespace {

TEST(ProgramKey, WhatDependsOnFilesOrTheTimeIsSeen) {
  for (const char* source :
       {"#include <a.h>\n", "#  include \"a.h\"", "#inc\\\nlude <a>", "#inc\\\r\nlude <a>",
        "%:include <a>", "#if __has_include(<a>)", "#import <a>", "int a = __LINE__ + __DATE__[0];",
        "__TIME__", "__TIMESTAMP__", "#embed \"a\"", "# /* x */ include <a>", "?\?=include <a>",
        "#inc?\?/\nlude <a>"})
    EXPECT_TRUE(depends_on_more(source, "")) << source;
  for (const char* options : {"-include a.h", "@options", "-imacros a -D__TIME__"})
    EXPECT_TRUE(depends_on_more("", options)) << options;
  EXPECT_FALSE(depends_on_more("// What this includes: the include of an import\n", ""));
  EXPECT_FALSE(depends_on_more("kernel void f(global int* a) { *a = 1 \\\n + 2; }",
                               "-I /somewhere -DX=1 -cl-std=CL2.0"));
}

TEST(ProgramKey, EveryPartCounts) {
  const auto source = wire::digest_of(wire::bytes_of("a")).value();
  const auto other = wire::digest_of(wire::bytes_of("b")).value();
  std::set<wire::Digest> keys;
  for (const char* driver : {"", "1", "12"})
    for (const auto& text : {source, other})
      for (const char* options : {"", "1", "-D2"})
        keys.insert(program_key(driver, text, options).value());
  EXPECT_EQ(keys.size(), 18u);
  EXPECT_EQ(program_key("1", source, "2").value(), program_key("1", source, "2").value());
}

}  // namespace
}  // namespace flexai::remote::opencl
