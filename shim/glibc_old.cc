// What our libraries ask of the C library, in words that glibc 2.28 knows: they are loaded into the
// programs of any image, while they are built, and linked with a C++ library built, against a newer
// one. A function that only got another version number is asked for under its old one; the few that
// came later are here. Hidden: nothing outside the library that this is linked into sees it.
// test/repo checks that no newer name is left.
#if defined(__x86_64__) && defined(__linux__)

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/random.h>
#include <time.h>

#include <atomic>

// A jump keeps arguments and return address, which dlsym looks at.
#define FLEXAI_OLD(name, old)                                                               \
  asm(".text\n.hidden " #name "\n.globl " #name "\n.type " #name ",@function\n" #name       \
      ":\n\tendbr64\n\tjmp *flexai_old_" #name "@GOTPCREL(%rip)\n.size " #name ", .-" #name \
      "\n.symver flexai_old_" #name ", " #old "@GLIBC_2.2.5\n")

FLEXAI_OLD(dladdr, dladdr);
FLEXAI_OLD(dlclose, dlclose);
FLEXAI_OLD(dlerror, dlerror);
FLEXAI_OLD(dlopen, dlopen);
FLEXAI_OLD(dlsym, dlsym);
FLEXAI_OLD(__pthread_key_create, __pthread_key_create);
FLEXAI_OLD(pthread_create, pthread_create);
FLEXAI_OLD(pthread_detach, pthread_detach);
FLEXAI_OLD(pthread_getspecific, pthread_getspecific);
FLEXAI_OLD(pthread_join, pthread_join);
FLEXAI_OLD(pthread_key_create, pthread_key_create);
FLEXAI_OLD(pthread_key_delete, pthread_key_delete);
FLEXAI_OLD(pthread_mutex_trylock, pthread_mutex_trylock);
FLEXAI_OLD(pthread_once, pthread_once);
FLEXAI_OLD(pthread_rwlock_destroy, pthread_rwlock_destroy);
FLEXAI_OLD(pthread_rwlock_init, pthread_rwlock_init);
FLEXAI_OLD(pthread_rwlock_rdlock, pthread_rwlock_rdlock);
FLEXAI_OLD(pthread_rwlock_unlock, pthread_rwlock_unlock);
FLEXAI_OLD(pthread_rwlock_wrlock, pthread_rwlock_wrlock);
FLEXAI_OLD(pthread_setspecific, pthread_setspecific);
FLEXAI_OLD(pthread_sigmask, pthread_sigmask);

#define FLEXAI_HIDDEN extern "C" __attribute__((visibility("hidden")))

// Before 2.33 these were made of functions that take the layout's number; 1 is the present one.
struct stat;
extern "C" {
int __fxstat(int layout, int fd, struct stat* to) noexcept;
int __xstat(int layout, const char* path, struct stat* to) noexcept;
int __lxstat(int layout, const char* path, struct stat* to) noexcept;
}
// fstat64 is the same here.
FLEXAI_HIDDEN int fstat(int fd, struct stat* to) noexcept { return __fxstat(1, fd, to); }
FLEXAI_HIDDEN int fstat64(int fd, struct stat* to) noexcept { return __fxstat(1, fd, to); }
FLEXAI_HIDDEN int stat(const char* path, struct stat* to) noexcept { return __xstat(1, path, to); }
FLEXAI_HIDDEN int lstat(const char* path, struct stat* to) noexcept {
  return __lxstat(1, path, to);
}

// 2.32. That there may be several threads is always true enough.
extern "C" {
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;
}

// 2.36. Who asks seeds a generator, no key: where the kernel is not asked, the clock has to do.
FLEXAI_HIDDEN uint32_t arc4random() noexcept {
  uint32_t number = 0;
  while (getrandom(&number, sizeof number, 0) != sizeof number) {
    if (errno == EINTR) continue;
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint32_t>(now.tv_nsec) * 2654435761u ^ static_cast<uint32_t>(now.tv_sec);
  }
  return number;
}

// The C library's own where it has one. Looked for once; two that look at the same time find the
// same.
namespace {
struct Newer {
  std::atomic<void*> found{nullptr};
  std::atomic<bool> looked{false};

  void* look_for([[maybe_unused]] const char* name) {
#ifdef FLEXAI_AS_IF_OLD  // for its test
    return nullptr;
#else
    if (!looked.load(std::memory_order_acquire)) {
      found.store(dlsym(RTLD_DEFAULT, name), std::memory_order_relaxed);
      looked.store(true, std::memory_order_release);
    }
    return found.load(std::memory_order_relaxed);
#endif
  }
};
constinit Newer clockwait, find_object;
}  // namespace

// 2.30. Without the real one by the clock that old ones know, a second at a time, so that a clock
// that is set harms no longer than that. Waking for nothing is allowed.
FLEXAI_HIDDEN int pthread_cond_clockwait(pthread_cond_t* cond, pthread_mutex_t* mutex,
                                         clockid_t clock, const timespec* until) {
  using Wait = int (*)(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*);
  if (void* real = clockwait.look_for("pthread_cond_clockwait"))
    return reinterpret_cast<Wait>(real)(cond, mutex, clock, until);
  constexpr int64_t kSecond = 1'000'000'000;
  const auto nanos = [](const timespec& t) { return int64_t{t.tv_sec} * kSecond + t.tv_nsec; };
  timespec now{}, wall{};
  clock_gettime(clock, &now);
  clock_gettime(CLOCK_REALTIME, &wall);
  const int64_t left = nanos(*until) - nanos(now);
  if (left <= 0) return ETIMEDOUT;
  const int64_t end = nanos(wall) + (left < kSecond ? left : kSecond);
  const timespec to{static_cast<time_t>(end / kSecond), static_cast<long>(end % kSecond)};
  const int code = pthread_cond_timedwait(cond, mutex, &to);
  return code == ETIMEDOUT && left > kSecond ? 0 : code;
}

// 2.35. Where an exception is unwound: the object that holds an address, by the old way.
namespace {
struct Wanted {
  uintptr_t pc;
  dl_find_object* found;
};

int look(dl_phdr_info* info, size_t, void* wanted) {
  auto* w = static_cast<Wanted*>(wanted);
  const ElfW(Phdr)* frames = nullptr;
  bool here = false;
  uintptr_t begin = UINTPTR_MAX, end = 0;
  for (ElfW(Half) i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = info->dlpi_phdr[i];
    if (part.p_type == PT_GNU_EH_FRAME) frames = &part;
    if (part.p_type != PT_LOAD) continue;
    const uintptr_t from = info->dlpi_addr + part.p_vaddr, to = from + part.p_memsz;
    here = here || (w->pc >= from && w->pc < to);
    begin = from < begin ? from : begin;
    end = to > end ? to : end;
  }
  if (!here) return 0;
  if (frames == nullptr) return -1;
  *w->found = dl_find_object{};
  w->found->dlfo_map_start = reinterpret_cast<void*>(begin);
  w->found->dlfo_map_end = reinterpret_cast<void*>(end);
  w->found->dlfo_eh_frame = reinterpret_cast<void*>(info->dlpi_addr + frames->p_vaddr);
  return 1;
}
}  // namespace

FLEXAI_HIDDEN int _dl_find_object(void* pc, dl_find_object* found) noexcept {
  using Find = int (*)(void*, dl_find_object*);
  if (void* real = find_object.look_for("_dl_find_object"))
    return reinterpret_cast<Find>(real)(pc, found);
  Wanted wanted{reinterpret_cast<uintptr_t>(pc), found};
  return dl_iterate_phdr(&look, &wanted) == 1 ? 0 : -1;
}

#endif
