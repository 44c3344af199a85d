// InfoCache: what an object said of itself and will not say differently, so that it is asked once.
// Failures are not kept. Threads: any. Memory: the answers; clear() gives them back.
#pragma once

#include <CL/cl.h>

#include <map>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "remote/opencl/client/info.h"

namespace flexai::remote::opencl {

class InfoCache {
 public:
  // What is asked, and about which device or argument.
  using Key = std::pair<uint64_t, uint64_t>;
  using Answer = std::vector<std::byte>;

  // The whole answer, from here or by `ask(room, value, size_ret)`, which is a clGet*Info.
  template <typename Ask>
  cl_int whole(const Key& key, const Ask& ask, Answer& answer) {
    {
      base::MutexLock lock(mutex_);
      auto found = known_.find(key);
      if (found != known_.end()) {
        answer = found->second;
        return CL_SUCCESS;
      }
    }
    size_t size = 0;
    answer.resize(kUsual);
    cl_int code = ask(answer.size(), answer.data(), &size);
    if (code == CL_INVALID_VALUE) {  // longer, or nothing that is known
      code = ask(0, nullptr, &size);
      if (code != CL_SUCCESS) return code;
      answer.resize(size);
      code = ask(size, answer.data(), &size);
    }
    if (code != CL_SUCCESS) return code;
    if (size < answer.size())
      answer.erase(answer.begin() + static_cast<std::ptrdiff_t>(size), answer.end());
    base::MutexLock lock(mutex_);
    known_[key] = answer;
    return CL_SUCCESS;
  }

  template <typename Ask>
  cl_int give(const Key& key, const InfoPlace& place, const Ask& ask) {
    Answer answer;
    const cl_int code = whole(key, ask, answer);
    return code == CL_SUCCESS ? place.give(answer.data(), answer.size()) : code;
  }

  void clear() {
    base::MutexLock lock(mutex_);
    known_.clear();
  }

 private:
  static constexpr size_t kUsual = 4096;  // nearly all answers are shorter

  base::Mutex mutex_;
  std::map<Key, Answer> known_ FLEXAI_GUARDED_BY(mutex_);
};

}  // namespace flexai::remote::opencl
