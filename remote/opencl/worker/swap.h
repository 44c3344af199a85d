// Swap: takes the bytes of a session's memory objects off its card and brings them back, under the
// running program. Objects keep their ids and what they were made from; the driver's objects behind
// them are others afterwards, so what names one is told: arguments of kernels, mappings. While they
// are away no call of the program is done, it waits.
//
// Threads: out() and in() from any but the driver's and the worker's own; one at a time. Errors
// leave everything as it was: still on the card, or still away.
#pragma once

#include <optional>
#include <vector>

#include "remote/opencl/worker/mem_facts.h"
#include "remote/opencl/worker/store.h"
#include "remote/opencl/worker/worker.h"

namespace flexai::remote::opencl {

class Swap {
 public:
  explicit Swap(Worker& worker) : worker_(worker) {}

  // Into `file`, or into memory when it is none. First lets what is under way come to its end,
  // until `deadline`: kTimeout names what did not. kUnsupported: the program uses what cannot be
  // taken away. Returns the bytes that left the card.
  base::Result<size_t> out(base::Fd file, base::Nanos deadline);
  // kExhausted: the card, or the slice, has no room for them now.
  base::Result<size_t> in();
  bool is_out() const { return store_.has_value(); }

 private:
  struct Away {
    ObjectId id = 0;
    cl_mem object = nullptr;  // before; null while it is away
    uint32_t references = 0;
    MemFacts facts;
    size_t parent = SIZE_MAX;  // which of the others it is a part of
    size_t at = 0;             // of its bytes in the store
    std::vector<ObjectId> mappings;
  };

  base::Status take_away(base::Fd file);
  base::Status note_all();
  base::Status unmap_all();
  base::Status map_all_again();
  void clear_arguments();
  void set_arguments();
  void drop_all();
  size_t bytes() const;

  Worker& worker_;
  std::vector<Away> away_;
  OwnQueues queues_{worker_.table()};
  std::optional<Store> store_;
};

}  // namespace flexai::remote::opencl
