#include "driver/trace_line.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace flexai::driver {
namespace {

// What `body` writes to a pipe.
template <typename F>
std::string written(F body) {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  body(ends[1]);
  close(ends[1]);
  std::string text(2 * TraceLine::kMaxLine, '\0');
  const ssize_t count = read(ends[0], text.data(), text.size());
  close(ends[0]);
  text.resize(count > 0 ? static_cast<size_t>(count) : 0);
  return text;
}

TEST(TraceLine, IsOneLineWithArgumentsResultAndOutputs) {
  const int values[] = {1, 2, 3};
  EXPECT_EQ(written([&](int fd) {
              TraceLine line(fd, "clDo");
              line.number("n", uint64_t{3});
              line.number("i", int64_t{-4});
              line.hex("flags", 16);
              line.pointer("p", nullptr);
              line.text("name", "a\"b\n\x01");
              line.array("values", values, 3);
              line.result(-5);
              line.number("*out", int64_t{7});
            }),
            "clDo(n=3, i=-4, flags=0x10, p=null, name=\"a\\x22b\\n\\x01\", values=[1 2 3]) = -5, "
            "*out=7\n");
  EXPECT_EQ(written([](int fd) { TraceLine(fd, "clNothing").result_none(); }), "clNothing()\n");
}

TEST(TraceLine, ListsEndAtZero) {
  const int list[] = {5, 6, 0, 9};
  EXPECT_EQ(written([&](int fd) {
              TraceLine line(fd, "f");
              line.list("l", list);
              line.list("none", static_cast<const int*>(nullptr));
              line.result(0);
            }),
            "f(l=[5 6], none=null) = 0\n");
}

TEST(TraceLine, CutsWhatIsTooLong) {
  const int many[20] = {1};
  const std::string text = written([&](int fd) {
    TraceLine line(fd, "f");
    line.array("many", many, 20);
    for (int i = 0; i < 40; ++i) line.text("t", std::string(200, 'x').c_str());
    line.result(0);
  });
  EXPECT_EQ(text.size(), TraceLine::kMaxLine);
  EXPECT_NE(text.find("many=[1 0 0 0 0 0 0 0 ...]"), std::string::npos);
  EXPECT_NE(text.find("xxx\"...,"), std::string::npos);
  EXPECT_EQ(text.substr(text.size() - 4), "...\n");
}

TEST(TraceLine, KeepsErrnoAndSurvivesABadDescriptor) {
  errno = 77;
  { TraceLine(-1, "f").result(0); }
  EXPECT_EQ(errno, 77);
}

}  // namespace
}  // namespace flexai::driver
