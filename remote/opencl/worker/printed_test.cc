#include "remote/opencl/worker/printed.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace flexai::remote::opencl {
namespace {

TEST(Printed, WhatWasPrintedIsCarriedWhenDrained) {
  const int kept = ::dup(STDOUT_FILENO);
  std::string carried;
  {
    auto printed = Printed::take([&](wire::Bytes bytes) { carried += wire::text_of(bytes); });
    ASSERT_TRUE(printed.ok());
    std::string expected;
    for (int i = 0; i < 20'000; ++i) {  // more than a pipe holds
      const std::string line = std::to_string(i) + "\n";
      expected += line;
      ASSERT_EQ(::write(STDOUT_FILENO, line.data(), line.size()),
                static_cast<ssize_t>(line.size()));
    }
    (*printed)->drain();
    ::dup2(kept, STDOUT_FILENO);
    EXPECT_TRUE(carried == expected);
  }
  ::close(kept);
}

}  // namespace
}  // namespace flexai::remote::opencl
