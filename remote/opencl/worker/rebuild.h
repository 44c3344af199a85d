// Rebuild: makes the objects of an inventory with this worker's driver. First contexts and
// programs, while the session still works elsewhere; then the rest, which takes over what of those
// has stayed as it was. Threads: one. After an error the process is to end: nothing is taken back.
#pragma once

#include <unordered_map>
#include <vector>

#include "remote/opencl/worker/inventory.h"
#include "remote/opencl/worker/worker.h"
#include "wire/transport.h"

namespace flexai::remote::opencl {

class Rebuild {
 public:
  explicit Rebuild(const Granted& granted)
      : granted_(granted), table_(granted.table), devices_(granted.devices) {}

  base::Status beforehand(const Inventory& inventory);
  // The memory's contents come over `from`.
  base::Status objects(const Inventory& inventory, wire::Transport& from);
  // Gives all of it to the worker, under the client's ids. Once.
  base::Status install(const Inventory& inventory, Worker& worker);

 private:
  struct Ready {  // made beforehand, or made
    ContextFacts facts;
    cl_context context = nullptr;
    bool used = false;
  };
  struct ReadyProgram {
    ProgramFacts facts;
    cl_context context = nullptr;
    cl_program program = nullptr;
    bool used = false;
  };
  base::Status part(const std::vector<SplitFacts>& splits);
  void let_go();
  base::Result<cl_context> context_for(const ContextFacts& facts);
  base::Result<cl_program> program_for(const ProgramFacts& facts, cl_context context);
  base::Result<cl_context> make_one(const ContextFacts& facts);
  base::Result<cl_program> make_one(const ProgramFacts& facts, cl_context context);
  base::Status foundations(const Inventory& inventory);
  base::Status queues(const Inventory& inventory);
  base::Status samplers(const Inventory& inventory);
  base::Status memory(const Inventory& inventory, wire::Transport& from);
  base::Status kernels(const Inventory& inventory);
  base::Status events(const Inventory& inventory);
  base::Status map_all(const Inventory& inventory, Worker& worker);
  base::Status keep(Worker& worker, const Known& known, Kind kind, void* object);
  base::Status set_arguments(const Inventory& inventory, Worker& worker);
  std::vector<cl_device_id> devices(const std::vector<uint32_t>& indexes) const;

  const Granted& granted_;
  const Table table_;
  std::vector<SplitFacts> splits_;
  std::vector<Split> made_splits_;
  std::vector<cl_device_id> devices_;  // the worker's, then the parts
  std::vector<Ready> ready_;
  std::vector<ReadyProgram> ready_programs_;
  std::unordered_map<uint32_t, ContextListener> listeners_;
  std::vector<cl_context> contexts_;
  std::vector<cl_program> programs_;
  std::vector<cl_command_queue> queues_;
  std::vector<cl_sampler> samplers_;
  std::vector<cl_mem> memory_;
  std::vector<cl_kernel> kernels_;
  std::vector<cl_event> events_;
  OwnQueues own_{table_};
};

}  // namespace flexai::remote::opencl
