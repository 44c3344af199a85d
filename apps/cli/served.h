// ServedRun: `flexai run --isolation served`: the program gets our own ICD and a door instead of
// the slice; workers that the door starts are in the slice. Threads: one.
#pragma once

#include <string>

#include "base/result.h"

namespace flexai::apps {

class ServedRun {
 public:
  // Starts the door with the present environment, which names the slice, and changes it for the
  // program that is started next.
  static base::Result<ServedRun> begin();
  ServedRun(ServedRun&& other) noexcept;
  ~ServedRun();  // ends the door and its workers

 private:
  ServedRun(std::string folder, int door) : folder_(std::move(folder)), door_(door) {}

  std::string folder_;
  int door_ = 0;  // process
};

}  // namespace flexai::apps
