#include "agent/probing.h"

#include <sys/eventfd.h>

namespace flexai::agent {

base::Result<std::unique_ptr<Probing>> Probing::start(DiscoveryConfig config) {
  base::Fd cancel(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!cancel.valid()) return base::fail_errno("eventfd");
  config.limits.cancel_fd = cancel.get();
  std::unique_ptr<Probing> probing(new Probing(std::move(cancel)));
  probing->thread_ =
      std::thread([probing = probing.get(), config = std::move(config)] { probing->run(config); });
  return probing;
}

Probing::~Probing() {
  ::eventfd_write(cancel_.get(), 1);
  if (thread_.joinable()) thread_.join();
}

void Probing::run(const DiscoveryConfig& config) {
  std::vector<model::Device> found = discover(config);
  base::MutexLock lock(mutex_);
  found_ = std::move(found);
  done_ = true;
  hand_over();
}

void Probing::hand_over() {
  if (!done_ || loop_ == nullptr) return;
  loop_->post([take = std::move(take_), found = std::move(found_)] { take(found); });
  loop_ = nullptr;
}

std::vector<model::Device> Probing::wait() {
  if (thread_.joinable()) thread_.join();
  base::MutexLock lock(mutex_);
  return std::move(found_);
}

void Probing::deliver(base::Loop* loop, Take take) {
  base::MutexLock lock(mutex_);
  loop_ = loop;
  take_ = std::move(take);
  hand_over();
}

}  // namespace flexai::agent
