#include "agent/published_libraries.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/fd.h"
#include "base/file.h"

namespace flexai::agent {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::fail;
using base::Fd;

base::Result<std::string> contents_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.good() && !file.eof()) return fail(Code::kUnavailable, "cannot read " + path.string());
  return text;
}

base::Status publish(const fs::path& from, const fs::path& to) {
  FLEXAI_TRY_ASSIGN(const std::string wanted, contents_of(from));
  auto there = contents_of(to);
  if (there.ok() && *there == wanted) return {};
  const std::string aside = to.string() + ".new";
  ::unlink(aside.c_str());
  Fd file(::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0755));
  if (!file.valid()) return base::fail_errno("making " + aside);
  auto written = base::write_all(file.get(), std::as_bytes(std::span(wanted)), "writing " + aside);
  if (written.ok() && ::fchmod(file.get(), 0755) == 0 && ::fsync(file.get()) == 0 &&
      ::rename(aside.c_str(), to.c_str()) == 0)
    return {};
  base::Error why =
      written.ok() ? base::fail_errno("putting " + to.string() + " in place") : written.error();
  ::unlink(aside.c_str());
  return why;
}

}  // namespace

base::Status publish_libraries(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::create_directories(to, error);
  if (error) return fail(Code::kUnavailable, "cannot make " + to + ": " + error.message());
  size_t count = 0;
  for (auto it = fs::directory_iterator(from, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    const bool library = it->path().extension() == ".so";
    if (!library && !it->path().filename().string().starts_with("flexai-")) continue;
    FLEXAI_TRY(publish(it->path(), fs::path(to) / it->path().filename()));
    count += library ? 1 : 0;
  }
  if (error) return fail(Code::kUnavailable, "cannot list " + from + ": " + error.message());
  if (count == 0)
    return fail(Code::kNotFound, "no library in " + from + "; is Flexai installed whole?");
  return {};
}

}  // namespace flexai::agent
