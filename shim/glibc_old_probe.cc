// A library that is linked like a shim and asks for what shims ask of the C library; its test loads
// it. Returns a bit for each thing that works.
#include <dlfcn.h>
#include <sys/stat.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

bool wakes() {
  std::mutex mutex;
  std::condition_variable changed;
  bool go = false;
  std::thread other([&] {
    std::unique_lock lock(mutex);
    go = true;
    changed.notify_all();
  });
  bool woken = false;
  {
    std::unique_lock lock(mutex);
    woken = changed.wait_for(lock, std::chrono::seconds(60), [&] { return go; });
  }
  other.join();
  return woken;
}

bool waits_in_vain() {
  std::mutex mutex;
  std::condition_variable changed;
  std::unique_lock lock(mutex);
  const auto begun = std::chrono::steady_clock::now();
  // Longer than the longest single wait of the old way.
  const bool woken = changed.wait_for(lock, std::chrono::milliseconds(1200), [] { return false; });
  return !woken && std::chrono::steady_clock::now() - begun >= std::chrono::milliseconds(1200);
}

bool catches() {
  try {
    return std::string("short").substr(9).empty() && false;
  } catch (const std::exception&) {
    return true;
  }
  return false;
}

bool locks() {
  static std::shared_mutex mutex;
  std::shared_lock lock(mutex);
  static std::once_flag flag;
  bool called = false;
  std::call_once(flag, [&] { called = true; });
  return called;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) unsigned flexai_old_probe() {
  struct stat root {};
  unsigned works = 0;
  works |= wakes() ? 1u : 0;
  works |= waits_in_vain() ? 2u : 0;
  works |= catches() ? 4u : 0;
  works |= locks() ? 8u : 0;
  works |= ::stat("/", &root) == 0 && S_ISDIR(root.st_mode) ? 16u : 0;
  works |= std::random_device()() != std::random_device()() ? 32u : 0;
  works |= dlsym(RTLD_DEFAULT, "malloc") != nullptr ? 64u : 0;
  return works;
}
