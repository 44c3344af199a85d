#include "remote/opencl/worker/program_keeper.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "remote/opencl/worker/program_binaries.h"

namespace flexai::remote::opencl {

using base::Nanos;

namespace {

constexpr size_t kMostWaiting = 4096, kMostBytes = 64u << 20;
constexpr int kNice = 10;  // not less: a driver's own locks are held meanwhile

// Of the driver's; released at the end of its scope.
class Program {
 public:
  Program(const driver::opencl::Table& table, cl_program program)
      : table_(table), program_(program) {}
  ~Program() {
    if (program_ != nullptr) table_.clReleaseProgram(program_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  cl_program get() const { return program_; }

 private:
  const driver::opencl::Table& table_;
  const cl_program program_;
};

}  // namespace

ProgramKeeper::ProgramKeeper(const driver::opencl::Table& driver,
                             std::shared_ptr<ContentStore> store, Nanos quiet)
    : driver_(driver), store_(std::move(store)), quiet_(quiet) {}

ProgramKeeper::~ProgramKeeper() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  for (const BuildRecipe& recipe : waiting_) driver_.clReleaseContext(recipe.context);
}

void ProgramKeeper::post(BuildRecipe recipe) {
  {
    std::lock_guard lock(mutex_);
    const size_t size = recipe.source.size();
    if (useless_ || waiting_.size() == kMostWaiting || bytes_ + size > kMostBytes) return;
    driver_.clRetainContext(recipe.context);
    bytes_ += size;
    waiting_.push_back(std::move(recipe));
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  }
  changed_.notify_all();
}

void ProgramKeeper::build_begins() {
  std::lock_guard lock(mutex_);
  ++building_;
}

void ProgramKeeper::build_ends() {
  {
    std::lock_guard lock(mutex_);
    --building_;
    built_ = base::monotonic_now();
  }
  changed_.notify_all();
}

void ProgramKeeper::finish(Nanos deadline) {
  std::unique_lock lock(mutex_);
  hurry_ = true;
  changed_.notify_all();
  changed_.wait_for(lock, std::chrono::nanoseconds(deadline - base::monotonic_now()),
                    [this] { return waiting_.empty() && !busy_; });
}

void ProgramKeeper::run() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kNice);
  std::unique_lock lock(mutex_);
  while (!stop_) {
    const Nanos quiet_at = built_ + quiet_;
    const bool quiet = hurry_ || (building_ == 0 && base::monotonic_now() >= quiet_at);
    if (waiting_.empty() || (!quiet && building_ != 0)) {
      changed_.wait(lock);
      continue;
    }
    if (!quiet) {
      changed_.wait_for(lock, std::chrono::nanoseconds(quiet_at - base::monotonic_now()));
      continue;
    }
    const BuildRecipe recipe = std::move(waiting_.front());
    waiting_.pop_front();
    bytes_ -= recipe.source.size();
    busy_ = true;
    const bool useless = useless_;
    lock.unlock();
    const bool same = useless || keep(recipe);
    driver_.clReleaseContext(recipe.context);
    lock.lock();
    useless_ |= !same;
    busy_ = false;
    changed_.notify_all();
  }
}

// False: this driver's programs are others when made from binaries.
bool ProgramKeeper::keep(const BuildRecipe& recipe) {
  const char* source = recipe.source.c_str();
  const size_t size = recipe.source.size();
  const auto& devices = recipe.devices;
  const Program first(
      driver_, driver_.clCreateProgramWithSource(recipe.context, 1, &source, &size, nullptr));
  if (first.get() == nullptr ||
      driver_.clBuildProgram(first.get(), static_cast<cl_uint>(devices.size()), devices.data(),
                             recipe.options.c_str(), nullptr, nullptr) != CL_SUCCESS)
    return true;
  const auto built = take_built(driver_, first.get(), devices);
  if (!built) return true;
  const Program second(
      driver_, make_built(driver_, recipe.context, devices, *built, recipe.options.c_str()));
  if (second.get() == nullptr || !same_program(driver_, first.get(), second.get(), devices)) {
    base::log(base::Level::kInfo, "worker",
              "programs are not kept: this driver makes others of their binaries");
    return false;
  }
  wire::Writer writer;
  const wire::Bytes bytes = encode(*built, writer);
  if (writer.ok() && store_->keep(recipe.key, bytes).ok()) ++kept_;
  return true;
}

}  // namespace flexai::remote::opencl
