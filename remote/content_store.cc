#include "remote/content_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/hex.h"
#include "base/log.h"

namespace flexai::remote {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;
using base::Result;
using wire::Bytes;
using wire::Digest;

namespace {

constexpr uint32_t kMagic = 0x45435846;  // "FXCE"
constexpr uint16_t kVersion = 1;
constexpr size_t kHead = 4 + 2 + 32 + 8 + 32;
constexpr size_t kMostEntries = 65536;  // looked at
constexpr time_t kForgotten = 3600;     // seconds after which what was written aside is nobody's
constexpr const char* kAside = "new-";

Result<std::vector<std::byte>> read_all(int file, size_t size) {
  std::vector<std::byte> bytes(size);
  for (size_t at = 0; at < size;) {
    const ssize_t n = ::read(file, bytes.data() + at, size - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("reading");
    if (n == 0) return fail(Code::kCorrupt, "it ends early");
    at += static_cast<size_t>(n);
  }
  return bytes;
}

}  // namespace

struct ContentStore::Entry {
  std::string name;
  uint64_t bytes = 0;
  timespec used{};
};

Result<std::unique_ptr<ContentStore>> ContentStore::open(const std::string& folder, uint64_t most) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_errno("making folder " + folder);
  Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return fail_errno("opening folder " + folder);
  return std::unique_ptr<ContentStore>(new ContentStore(std::move(fd), folder, most));
}

ContentStore::ContentStore(Fd folder, std::string path, uint64_t most)
    : folder_(std::move(folder)), path_(std::move(path)), most_(most) {}

void ContentStore::complain(const std::string& what, const base::Error& why) {
  if (complained_.exchange(true)) return;
  base::log(base::Level::kWarn, "store", what, {{"folder", path_}, {"why", why.message}});
}

std::optional<std::vector<std::byte>> ContentStore::find(const Digest& key) {
  const std::string name = base::hex_of(key);
  auto bytes = read(name, key);
  if (bytes.ok()) return std::move(*bytes);
  if (bytes.error().code == Code::kNotFound) return std::nullopt;
  complain("entry not used", bytes.error());
  if (bytes.error().code == Code::kCorrupt) drop(key);
  return std::nullopt;
}

Result<std::vector<std::byte>> ContentStore::read(const std::string& name, const Digest& key) {
  const Fd file(
      ::openat(folder_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.valid() && errno == ENOENT) return fail(Code::kNotFound, name);
  if (!file.valid()) return fail_errno("opening " + name);
  struct stat about {};
  if (::fstat(file.get(), &about) != 0) return fail_errno(name);
  const auto size = static_cast<uint64_t>(about.st_size);
  if (!S_ISREG(about.st_mode) || size < kHead || size > kHead + kMostEntry)
    return fail(Code::kCorrupt, name + " is no entry");
  FLEXAI_TRY_ASSIGN(auto bytes, read_all(file.get(), size));
  wire::Reader head(Bytes(bytes).first(kHead));
  if (head.u32("magic") != kMagic) head.refuse("magic", "is another one");
  if (head.u16("version") != kVersion) head.refuse("version", "is not known here");
  const Bytes named = head.raw("key", key.size());
  if (!std::ranges::equal(named, key)) head.refuse("key", "is another one");
  if (head.u64("size") != size - kHead) head.refuse("size", "is not the file's");
  const Bytes said = head.raw("digest", sizeof(Digest));
  FLEXAI_TRY(head.finish().with_context(name));
  FLEXAI_TRY_ASSIGN(const Digest digest, wire::digest_of(Bytes(bytes).subspan(kHead)));
  if (!std::ranges::equal(said, digest))
    return fail(Code::kCorrupt, name + " is not what was written");
  ::futimens(file.get(), nullptr);  // used now
  bytes.erase(bytes.begin(), bytes.begin() + kHead);
  return bytes;
}

base::Status ContentStore::keep(const Digest& key, Bytes bytes) {
  if (bytes.size() > kMostEntry || bytes.size() > most_)
    return fail(Code::kExhausted, "larger than an entry may be");
  make_room(bytes.size());
  FLEXAI_TRY_ASSIGN(const std::string random, base::random_hex(8));
  const std::string aside = kAside + random, name = base::hex_of(key);
  base::Status written = write(name, aside, key, bytes);
  if (!written.ok()) {
    ::unlinkat(folder_.get(), aside.c_str(), 0);
    complain("entry not kept", written.error());
    return written;
  }
  if (known_ >= 0) known_ += static_cast<int64_t>(bytes.size());
  return {};
}

base::Status ContentStore::write(const std::string& name, const std::string& aside,
                                 const Digest& key, Bytes bytes) {
  wire::Writer head;
  FLEXAI_TRY_ASSIGN(const Digest digest, wire::digest_of(bytes));
  head.u32(kMagic);
  head.u16(kVersion);
  head.raw(key);
  head.u64(bytes.size());
  head.raw(digest);
  if (!head.ok()) return fail(Code::kExhausted, "out of memory");
  const Fd file(::openat(folder_.get(), aside.c_str(),
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) return fail_errno("creating an entry");
  FLEXAI_TRY(base::write_all(file.get(), head.bytes(), "writing"));
  FLEXAI_TRY(base::write_all(file.get(), bytes, "writing"));
  if (::renameat(folder_.get(), aside.c_str(), folder_.get(), name.c_str()) != 0)
    return fail_errno("renaming an entry");
  return {};
}

void ContentStore::drop(const Digest& key) {
  ::unlinkat(folder_.get(), base::hex_of(key).c_str(), 0);
}

std::vector<ContentStore::Entry> ContentStore::entries() {
  std::vector<Entry> found;
  Fd again(::openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!again.valid()) return found;
  const base::FolderPtr folder(::fdopendir(again.get()));
  if (folder == nullptr) return found;
  again.release();
  while (const dirent* each = ::readdir(folder.get())) {
    struct stat about {};
    if (found.size() == kMostEntries ||
        ::fstatat(folder_.get(), each->d_name, &about, AT_SYMLINK_NOFOLLOW) != 0)
      continue;
    if (!S_ISREG(about.st_mode)) continue;
    const std::string name = each->d_name;
    if (name.starts_with(kAside)) {
      if (about.st_mtim.tv_sec + kForgotten < ::time(nullptr))
        ::unlinkat(folder_.get(), name.c_str(), 0);
      continue;
    }
    found.push_back({name, static_cast<uint64_t>(about.st_size), about.st_mtim});
  }
  return found;
}

// Another process may do the same at the same time: then more goes than had to.
void ContentStore::make_room(uint64_t bytes) {
  const int64_t known = known_;
  if (known >= 0 && static_cast<uint64_t>(known) + bytes <= most_) return;
  std::vector<Entry> all = entries();
  std::sort(all.begin(), all.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.used.tv_sec, a.used.tv_nsec) < std::pair(b.used.tv_sec, b.used.tv_nsec);
  });
  uint64_t sum = 0;
  for (const Entry& entry : all) sum += entry.bytes;
  for (const Entry& entry : all) {
    if (sum + bytes <= most_) break;
    ::unlinkat(folder_.get(), entry.name.c_str(), 0);
    sum -= entry.bytes;
  }
  known_ = static_cast<int64_t>(sum);
}

}  // namespace flexai::remote
