#include "remote/opencl/client/connection.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "base/fd.h"
#include "base/mutex.h"
#include "remote/knock.h"
#include "remote/links.h"
#include "remote/opencl/version.h"
#include "wire/dial.h"
#include "wire/pki.h"

namespace flexai::remote::opencl {

using base::Code;
using base::fail;

namespace {

constexpr base::Nanos kGoodbye = base::kSecond / 2;
constexpr const char* kKinds[] = {"doors:", "door:", "unix:", "shm:", "tcp:", "tls:"};
constexpr size_t kMostWorkers = 16;
constexpr base::Nanos kKnocking = 60 * base::kSecond;  // a worker starts a driver

base::Result<std::vector<std::byte>> read_lease(const std::string& path) {
  base::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return base::fail_errno("lease " + path);
  std::vector<std::byte> bytes(wire::kMaxLease + 1);
  const ssize_t size = ::read(fd.get(), bytes.data(), bytes.size());
  if (size < 0) return base::fail_errno("lease " + path);
  if (static_cast<size_t>(size) > wire::kMaxLease)
    return fail(Code::kInvalid, "lease " + path + " is no lease: it is too long");
  bytes.resize(static_cast<size_t>(size));
  return bytes;
}

// What the environment says of the worker at `endpoint`.
base::Result<Introduction> introduced(const std::string& endpoint) {
  Introduction made{endpoint, {}, {}};
  if (const char* lease = secure_getenv(kEnvLease); lease != nullptr) {
    FLEXAI_TRY_ASSIGN(made.lease, read_lease(lease));
  }
  if (!endpoint.starts_with("tls:")) return made;
  const char* folder = secure_getenv(kEnvPki);
  if (folder == nullptr)
    return fail(Code::kDenied, endpoint + " needs certificates: set " + kEnvPki);
  FLEXAI_TRY_ASSIGN(made.identity, wire::load_identity(folder));
  return made;
}

// To where the session is now.
class Way {
 public:
  explicit Way(std::shared_ptr<Whereabouts> whereabouts) : whereabouts_(std::move(whereabouts)) {}
  base::Status lead_to(const Introduction& place) {
    FLEXAI_TRY_ASSIGN(wire::Endpoint endpoint, wire::parse_endpoint(place.endpoint));
    std::shared_ptr<wire::TlsContext> tls;
    if (endpoint.carrier == wire::Carrier::kTls) {
      FLEXAI_TRY_ASSIGN(tls, wire::TlsContext::make(place.identity, wire::TlsRole::kClient));
    }
    whereabouts_->set(place.endpoint);
    base::MutexLock lock(mutex_);
    connector_ = wire::make_connector(std::move(endpoint), std::move(tls));
    return {};
  }
  base::Result<std::unique_ptr<wire::Transport>> go(wire::Purpose purpose, base::Nanos deadline) {
    wire::Connector connector;
    {
      base::MutexLock lock(mutex_);
      connector = connector_;
    }
    return connector(purpose, deadline);
  }

 private:
  const std::shared_ptr<Whereabouts> whereabouts_;
  base::Mutex mutex_;
  wire::Connector connector_ FLEXAI_GUARDED_BY(mutex_);
};

std::atomic<bool> g_leaving{false};

}  // namespace

std::string Whereabouts::endpoint() const {
  base::MutexLock lock(mutex_);
  return endpoint_;
}

void Whereabouts::set(std::string endpoint) {
  base::MutexLock lock(mutex_);
  endpoint_ = std::move(endpoint);
}

bool wants_strict() {
  const char* word = secure_getenv(kEnvStrict);
  return word != nullptr && *word != 0;
}

CallCounts* shared_counts() {
  const char* path = secure_getenv(kEnvCounts);
  if (path == nullptr) return nullptr;
  const base::Fd file(::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid() || ::ftruncate(file.get(), sizeof(CallCounts)) != 0) return nullptr;
  void* at = ::mmap(nullptr, sizeof(CallCounts), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  return at == MAP_FAILED ? nullptr : static_cast<CallCounts*>(at);
}

void say_goodbye_at_exit(wire::Session* session) {
  struct Own {
    base::Mutex mutex;
    std::vector<wire::Session*> sessions FLEXAI_GUARDED_BY(mutex);
  };
  static Own* const own = new Own;
  base::MutexLock lock(own->mutex);
  own->sessions.push_back(session);
  if (own->sessions.size() > 1) return;
  ::atexit([] {
    g_leaving = true;
    const base::Nanos end = base::monotonic_now() + kGoodbye;
    base::MutexLock all(own->mutex);
    for (wire::Session* each : own->sessions) each->close(end);
  });
}

bool leaving() { return g_leaving; }

std::vector<std::string> workers() {
  const char* given = secure_getenv(kEnvWorker);
  const std::string all = given == nullptr ? "" : given;
  std::vector<std::string> found{""};
  for (size_t i = 0; i < all.size(); ++i) {
    // A comma may be part of a path.
    const bool next = all[i] == ',' && found.size() < kMostWorkers &&
                      std::any_of(std::begin(kKinds), std::end(kKinds), [&](const char* kind) {
                        return all.compare(i + 1, strlen(kind), kind) == 0;
                      });
    if (next) {
      found.emplace_back();
    } else {
      found.back() += all[i];
    }
  }
  std::vector<std::string> single;
  for (const std::string& one : found)
    for (std::string& door : doors_of(one))
      if (single.size() < kMostWorkers) single.push_back(std::move(door));
  return single;
}

base::Result<std::unique_ptr<wire::Session>> connect_session(
    const std::string& where, std::function<void(const base::Error&)> on_end,
    std::shared_ptr<Whereabouts> whereabouts) {
  if (where.empty())
    return fail(Code::kUnavailable,
                "this program was not started by `flexai run --isolation served`");
  auto known = is_door(where) ? knock(where, base::monotonic_now() + kKnocking) : introduced(where);
  if (!known.ok()) return known.error();
  auto way = std::make_shared<Way>(std::move(whereabouts));
  FLEXAI_TRY(way->lead_to(*known));
  wire::SessionOptions options;
  options.version = wire_version();
  options.features = kLinkFeature;
  options.on_end = std::move(on_end);
  options.lease = std::move(known->lease);
  options.on_moved = [way](wire::Bytes note) -> base::Status {
    FLEXAI_TRY_ASSIGN(const Introduction there, decode_introduction(note));
    return way->lead_to(there);
  };
  return wire::Session::connect(
      [way](wire::Purpose purpose, base::Nanos deadline) { return way->go(purpose, deadline); },
      std::move(options));
}

}  // namespace flexai::remote::opencl
