#include "remote/opencl/worker/long_calls.h"

namespace flexai::remote::opencl {

using driver::opencl::Table;

namespace {

Table g_driver;
Hold* g_hold = nullptr;

// A call is not inside while the driver works.
class Outside {
 public:
  Outside() {
    if (of_a_call_) g_hold->step_out();
  }
  ~Outside() {
    if (of_a_call_) g_hold->step_in();
  }
  Outside(const Outside&) = delete;
  Outside& operator=(const Outside&) = delete;

 private:
  const bool of_a_call_ = Dispatcher::handling();
};

// Kept while the driver works: another call may release it.
class Kept {
 public:
  explicit Kept(cl_program program) : program_(program) {
    if (program_ != nullptr) g_driver.clRetainProgram(program_);
  }
  explicit Kept(cl_context context) : context_(context) {
    if (context_ != nullptr) g_driver.clRetainContext(context_);
  }
  ~Kept() {
    if (program_ != nullptr) g_driver.clReleaseProgram(program_);
    if (context_ != nullptr) g_driver.clReleaseContext(context_);
  }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

 private:
  const cl_program program_ = nullptr;
  const cl_context context_ = nullptr;
};

template <auto kEntry>
struct Long;
template <typename Result, typename First, typename... Rest,
          Result (CL_API_CALL* Table::*kEntry)(First, Rest...)>
struct Long<kEntry> {
  static Result CL_API_CALL call(First first, Rest... rest) {
    const Kept kept(first);
    const Outside outside;
    const Dispatcher::Away away;
    return (g_driver.*kEntry)(first, rest...);
  }
};

}  // namespace

Table with_long_calls(const Table& driver, Hold& hold) {
  g_driver = driver;
  g_hold = &hold;
  Table table = driver;
  if (driver.clBuildProgram != nullptr) table.clBuildProgram = Long<&Table::clBuildProgram>::call;
  if (driver.clCompileProgram != nullptr)
    table.clCompileProgram = Long<&Table::clCompileProgram>::call;
  if (driver.clLinkProgram != nullptr) table.clLinkProgram = Long<&Table::clLinkProgram>::call;
  return table;
}

Making::Making(const Table& table, Hold& hold, cl_context context)
    : table_(table), hold_(hold), context_(context) {
  if (context_ != nullptr) table_.clRetainContext(context_);
  if (!of_a_call_) return;
  hold_.leave_making();
  away_.emplace();
}

Making::~Making() {
  if (of_a_call_) {
    hold_.made();
    away_.reset();
    hold_.step_in();
  }
  if (context_ != nullptr) table_.clReleaseContext(context_);
}

}  // namespace flexai::remote::opencl
