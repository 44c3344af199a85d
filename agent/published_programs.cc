#include "agent/published_programs.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

namespace flexai::agent {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::fail;

constexpr const char* kPrograms = "bin";
constexpr const char* kLibraries = "lib";

using Set = std::map<std::string, fs::path>;  // place in the set -> what is copied there

base::Result<Set> set_of(const std::vector<std::string>& programs, const std::string& libraries) {
  Set set;
  for (const std::string& program : programs)
    set[std::string(kPrograms) + "/" + fs::path(program).filename().string()] = program;
  std::error_code error;
  for (auto it = fs::directory_iterator(libraries, error); !error && it != fs::directory_iterator();
       it.increment(error))
    set[std::string(kLibraries) + "/" + it->path().filename().string()] = it->path();
  if (error && error != std::errc::no_such_file_or_directory)
    return fail(Code::kUnavailable, "cannot list " + libraries + ": " + error.message());
  return set;
}

// FNV-1a, 64 bits: it tells versions apart, it keeps nobody out.
class Digest {
 public:
  void add(const char* bytes, size_t size) {
    for (size_t i = 0; i < size; ++i)
      value_ = (value_ ^ static_cast<unsigned char>(bytes[i])) * 0x100000001b3ull;
  }
  std::string text() const {
    char digits[17];
    ::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(value_));
    return digits;
  }

 private:
  uint64_t value_ = 0xcbf29ce484222325ull;
};

base::Result<std::string> name_of(const Set& set) {
  Digest digest;
  std::vector<char> bytes(1 << 16);
  for (const auto& [place, path] : set) {
    digest.add(place.c_str(), place.size() + 1);
    std::ifstream file(path, std::ios::binary);
    if (!file)
      return fail(Code::kNotFound, path.string() + " is missing; is Flexai installed whole?");
    while (file.read(bytes.data(), static_cast<std::streamsize>(bytes.size())) || file.gcount() > 0)
      digest.add(bytes.data(), static_cast<size_t>(file.gcount()));
    if (file.bad()) return fail(Code::kUnavailable, "cannot read " + path.string());
  }
  return digest.text();
}

base::Status copy_all(const Set& set, const fs::path& to) {
  std::error_code error;
  fs::remove_all(to, error);
  for (const auto& [place, path] : set) {
    const fs::path target = to / place;
    fs::create_directories(target.parent_path(), error);
    if (!error) fs::copy_file(path, target, error);
    if (!error) fs::permissions(target, static_cast<fs::perms>(0755), error);
    if (error) {
      std::error_code ignored;
      fs::remove_all(to, ignored);
      return fail(Code::kUnavailable, "cannot copy " + path.string() + " to " + target.string() +
                                          ": " + error.message());
    }
  }
  return {};
}

std::vector<std::string> running_programs() {
  std::vector<std::string> found;
  std::error_code error;
  for (auto it = fs::directory_iterator("/proc", error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    const std::string pid = it->path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    char text[PATH_MAX];
    const ssize_t n = ::readlink((it->path() / "exe").c_str(), text, sizeof text);
    if (n > 0) found.emplace_back(text, static_cast<size_t>(n));
  }
  return found;
}

}  // namespace

base::Result<ProgramSet> publish_programs(const std::vector<std::string>& programs,
                                          const std::string& libraries, const std::string& to) {
  FLEXAI_TRY_ASSIGN(const Set set, set_of(programs, libraries));
  FLEXAI_TRY_ASSIGN(const std::string name, name_of(set));
  const std::string folder = to + "/" + name;
  const bool own = std::any_of(set.begin(), set.end(), [](const auto& one) {
    return one.first.starts_with(std::string(kLibraries) + "/");
  });
  const ProgramSet made{folder + "/" + kPrograms, own ? folder + "/" + kLibraries : ""};
  std::error_code error;
  if (fs::is_directory(folder, error)) return made;
  const std::string aside = folder + ".new";
  FLEXAI_TRY(copy_all(set, aside));
  ::sync();  // a host that fails now has it whole or not at all
  if (::rename(aside.c_str(), folder.c_str()) != 0) return base::fail_errno("renaming " + aside);
  return made;
}

void drop_unused_programs(const std::string& to, const ProgramSet& kept) {
  const auto running = running_programs();
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(to, error)) {
    const std::string inside = entry.path().string() + "/";
    const bool used = std::any_of(running.begin(), running.end(), [&](const std::string& program) {
      return program.starts_with(inside);
    });
    std::error_code ignored;
    if (!used && !kept.programs.starts_with(inside)) fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace flexai::agent
