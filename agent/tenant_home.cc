#include "agent/tenant_home.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "agent/folders.h"
#include "base/hex.h"
#include "base/log.h"
#include "wire/digest.h"

namespace flexai::agent {

namespace fs = std::filesystem;
using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;

namespace {

constexpr uint64_t kLeastFree = 64ull << 20;  // below that builds would fail for want of room
constexpr time_t kUnused = 30 * 24 * 3600;
constexpr const char* kAside = "aside-";  // number, tenant
constexpr size_t kMostFiles = 1u << 20;   // looked at

// Of a folder whose owner may put anything there, while it is looked at.
uint64_t bytes_in(const std::string& path) {
  std::error_code error;
  fs::recursive_directory_iterator each(path, fs::directory_options::skip_permission_denied, error);
  uint64_t sum = 0;
  for (size_t files = 0; !error && each != fs::recursive_directory_iterator(); ++files) {
    struct stat about {};
    if (::lstat(each->path().c_str(), &about) == 0)
      sum += static_cast<uint64_t>(about.st_blocks) * 512;
    if (files == kMostFiles) return UINT64_MAX;
    each.increment(error);
  }
  return sum;
}

void remove_folder(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error)
    base::log(base::Level::kWarn, "tenants", "not deleted",
              {{"path", path}, {"why", error.message()}});
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator each(folder, error); !error && each != fs::directory_iterator();
       each.increment(error))
    names.push_back(each->path().filename().string());
  return names;
}

// Of what was put aside, whose it was; empty for others.
std::string tenant_of(const std::string& name) {
  const size_t at =
      name.starts_with(kAside) ? name.find('-', std::string(kAside).size()) : std::string::npos;
  return at == std::string::npos ? "" : name.substr(at + 1);
}

bool long_unused(const std::string& path) {
  struct stat about {};
  return ::lstat(path.c_str(), &about) == 0 && about.st_mtim.tv_sec + kUnused < ::time(nullptr);
}

}  // namespace

base::Result<std::string> tenant_name(uint32_t uid, const std::string& host) {
  if (host.empty()) return "uid-" + std::to_string(uid);
  FLEXAI_TRY_ASSIGN(const auto digest, wire::digest_of(wire::bytes_of(host)));
  return "host-" + base::hex_of(std::span(digest).first(16));
}

TenantHomes::TenantHomes(std::string folder, std::string user, uint64_t most)
    : folder_(std::move(folder)), user_(std::move(user)), most_(most) {}

base::Status TenantHomes::open() {
  FLEXAI_TRY(make_own_folder(folder_, 0700));
  base::MutexLock lock(mutex_);
  for (const std::string& name : names_in(folder_)) {
    const std::string tenant = tenant_of(name);
    const std::string path = folder_ + "/" + name;
    const bool used = sessions_.count(tenant.empty() ? name : tenant) != 0;
    if (!used && (!tenant.empty() || long_unused(path)))
      std::thread([path] { remove_folder(path); }).detach();
  }
  return {};
}

base::Result<Fd> TenantHomes::make(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_errno("making folder " + path);
  Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder.valid()) return fail_errno("opening folder " + path);
  if (!user_.empty() && ::geteuid() == 0) {
    const passwd* entry = ::getpwnam(user_.c_str());
    if (entry == nullptr) return fail(Code::kNotFound, "there is no user " + user_);
    if (::fchown(folder.get(), entry->pw_uid, entry->pw_gid) != 0)
      return fail_errno("giving " + path + " to " + user_);
  }
  return folder;
}

base::Result<Fd> TenantHomes::enter(const std::string& tenant) {
  struct statvfs disk {};
  if (::statvfs(folder_.c_str(), &disk) != 0) return fail_errno(folder_);
  if (disk.f_bavail * disk.f_frsize < kLeastFree)
    return fail(Code::kExhausted, "less than 64 MiB are free for " + folder_ + "; free some");
  base::MutexLock lock(mutex_);
  FLEXAI_TRY_ASSIGN(Fd folder, make(folder_ + "/" + tenant));
  ::futimens(folder.get(), nullptr);  // used now
  ++sessions_[tenant];
  return folder;
}

void TenantHomes::count(const std::string& tenant) {
  base::MutexLock lock(mutex_);
  ++sessions_[tenant];
}

void TenantHomes::leave(const std::string& tenant) {
  {
    base::MutexLock lock(mutex_);
    auto it = sessions_.find(tenant);
    if (it == sessions_.end()) return;
    if (--it->second == 0) sessions_.erase(it);
  }
  std::thread([self = shared_from_this(), tenant] { self->tidy(tenant); }).detach();
}

// A session keeps its folder by its descriptor, so that may get another name at any time.
void TenantHomes::tidy(const std::string& tenant) {
  const std::string path = folder_ + "/" + tenant;
  const bool full = bytes_in(path) > most_;
  std::vector<std::string> over;
  {
    base::MutexLock lock(mutex_);
    const std::string aside = folder_ + "/" + kAside + std::to_string(::time(nullptr)) + "." +
                              std::to_string(++aside_) + "-" + tenant;
    if (full && ::rename(path.c_str(), aside.c_str()) != 0)
      base::log(base::Level::kWarn, "tenants", "not put aside", {{"path", path}});
    if (sessions_.count(tenant) != 0) return;
    for (const std::string& name : names_in(folder_))
      if (tenant_of(name) == tenant) over.push_back(folder_ + "/" + name);
  }
  for (const std::string& one : over) remove_folder(one);
}

base::Result<Fd> TenantHomes::make_throw_away(const std::string& path) { return make(path); }

void TenantHomes::drop_throw_away(const std::string& path) {
  std::thread([path] { remove_folder(path); }).detach();
}

}  // namespace flexai::agent
