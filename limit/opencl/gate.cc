#include "limit/opencl/gate.h"

#include <algorithm>

namespace flexai::limit::opencl {

using base::MutexLock;

namespace {

const Table& next() { return Process::get().next(); }

// The card a foreign, unfinished event belongs to, or null when it does not matter.
Tenant* unfinished_on(cl_event event) {
  cl_int status = CL_COMPLETE;
  if (next().clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status,
                            nullptr) != CL_SUCCESS ||
      status <= CL_COMPLETE)
    return nullptr;
  cl_command_queue handle = nullptr;
  next().clGetEventInfo(event, CL_EVENT_COMMAND_QUEUE, sizeof handle, &handle, nullptr);
  Queue* queue = handle == nullptr ? nullptr : Queues::get().find(handle);
  return queue == nullptr ? nullptr : queue->tenant();
}

}  // namespace

Gates& Gates::get() {
  static Gates* gates = new Gates();
  return *gates;
}

bool Gates::must_wait(Queue& queue, const WaitList& waits, bool all_before) {
  if (in_callback()) return true;
  if (unstarted_count_.load(std::memory_order_acquire) != 0) {
    MutexLock lock(mutex_);
    if (!queue.blocked.empty() && (queue.in_order() || queue.barrier != nullptr || all_before))
      return true;
    for (cl_uint i = 0; i < waits.count; ++i)
      if (unstarted_.count(waits.events[i]) != 0) return true;
  }
  if (waits.count != 0 && Process::get().several_cards())
    for (cl_uint i = 0; i < waits.count; ++i) {
      Tenant* other = unfinished_on(waits.events[i]);
      if (other != nullptr && other != queue.tenant()) return true;
    }
  return false;
}

void Gates::depend(Command* command, Command* on) {
  on->dependants.push_back(command);
  ++command->unmet;
}

cl_int Gates::enqueue(Queue& queue, const WaitList& waits, CostTable::Entry* entry, bool blocking,
                      bool barrier, cl_event* event, const Enqueue& call) {
  cl_event gate = nullptr;
  if (entry != nullptr) {
    cl_int rc = CL_SUCCESS;
    gate = next().clCreateUserEvent(queue.context(), &rc);
    if (gate == nullptr) return rc != CL_SUCCESS ? rc : CL_OUT_OF_HOST_MEMORY;
  }
  auto* command = new Command();
  command->gate = gate;
  command->queue = queue.shared_from_this();
  command->predicted = entry != nullptr ? entry->least.load(std::memory_order_relaxed) : 0;
  command->in_call = true;
  command->unmet = 1;  // held until the graph is complete
  {
    MutexLock lock(mutex_);
    for (cl_uint i = 0; i < waits.count; ++i) {
      auto it = unstarted_.find(waits.events[i]);
      if (it != unstarted_.end()) depend(command, it->second);
    }
    if (queue.in_order()) {
      if (!queue.blocked.empty()) depend(command, queue.blocked.back());
    } else if (barrier && waits.count == 0) {
      for (Command* before : queue.blocked) depend(command, before);
    } else if (queue.barrier != nullptr) {
      depend(command, queue.barrier);
    }
    queue.blocked.push_back(command);
    if (barrier) queue.barrier = command;
    unstarted_count_.fetch_add(1, std::memory_order_release);
  }
  if (Process::get().several_cards()) watch_other_cards(command, waits);

  std::vector<cl_event> list(waits.events, waits.events + waits.count);
  if (gate != nullptr) list.push_back(gate);
  Nanos predicted = command->predicted;
  std::shared_ptr<Queue> keep = command->queue;
  // The call below returns only after the gate has opened, and it may open, and be given back,
  // before the driver has it in hand.
  if (gate != nullptr) next().clRetainEvent(gate);
  if (blocking) one_met(command);
  cl_event made = nullptr;
  cl_int rc = call(static_cast<cl_uint>(list.size()), list.empty() ? nullptr : list.data(), &made);
  if (gate != nullptr) next().clReleaseEvent(gate);
  bool started;
  {
    MutexLock lock(mutex_);
    started = command->started;
    command->in_call = false;
    if (rc != CL_SUCCESS) {
      command->failed = true;
      command->predicted = 0;
    } else if (!started && made != nullptr) {
      command->event = made;
      unstarted_[made] = command;
    }
  }
  if (rc != CL_SUCCESS) {
    // Nothing will run: the node leaves the graph as if it had started, so that what stands behind
    // it goes on.
    if (started && command->booked != 0) queue.tenant()->settle(command->booked, 0);
    if (started) delete command;
    if (!blocking) one_met(command);
    return rc;
  }
  if (event != nullptr) {
    *event = made;
    if (made != nullptr) next().clRetainEvent(made);
  }
  if (entry != nullptr && made != nullptr) {
    keep->follow(made, predicted, entry);
  } else if (made != nullptr && started) {
    next().clReleaseEvent(made);  // else the node holds it
  }
  if (started) delete command;
  if (!blocking) one_met(command);
  return rc;
}

void Gates::watch_other_cards(Command* command, const WaitList& waits) {
  for (cl_uint i = 0; i < waits.count; ++i) {
    Tenant* other = unfinished_on(waits.events[i]);
    if (other == nullptr || other == command->queue->tenant()) continue;
    {
      MutexLock lock(mutex_);
      if (unstarted_.count(waits.events[i]) != 0) continue;  // an edge of the graph already
      ++command->unmet;
    }
    if (next().clSetEventCallback(waits.events[i], CL_COMPLETE, on_other_card, command) !=
        CL_SUCCESS)
      one_met(command);
  }
}

void CL_CALLBACK Gates::on_other_card(cl_event, cl_int, void* command) {
  get().one_met(static_cast<Command*>(command));
}

void Gates::one_met(Command* command) {
  {
    MutexLock lock(mutex_);
    if (--command->unmet != 0) return;
  }
  ready(command);
}

void Gates::ready(Command* command) {
  {
    MutexLock lock(mutex_);
    command->booked = command->gate != nullptr ? command->predicted : 0;
  }
  if (command->booked == 0) {
    start(command);
    return;
  }
  command->queue->tenant()->admit_later(command->booked, [this, command] { start(command); });
}

// A chain of unmetered commands is walked with a list of our own, not by recursion: it may be
// thousands long.
void Gates::start(Command* command) {
  std::vector<Command*> list{command};
  while (!list.empty()) {
    Command* one = list.back();
    list.pop_back();
    std::vector<Command*> met;
    start_one(one, &met);
    for (Command* d : met) {
      if (d->gate == nullptr || d->predicted == 0) {
        list.push_back(d);
      } else {
        ready(d);
      }
    }
  }
}

void Gates::start_one(Command* command, std::vector<Command*>* met) {
  cl_event gate = command->gate;
  Nanos give_back = 0;
  std::shared_ptr<Queue> queue = command->queue;
  cl_event held = nullptr;
  bool dead;
  {
    MutexLock lock(mutex_);
    command->started = true;
    if (gate == nullptr && queue != nullptr) held = command->event;
    forget(command);
    for (Command* d : command->dependants)
      if (--d->unmet == 0) met->push_back(d);
    dead = !command->in_call;
    if (command->failed) give_back = command->booked;
  }
  if (dead) delete command;  // a command in its call is freed by that call
  if (gate != nullptr) {
    next().clSetUserEventStatus(gate, CL_COMPLETE);
    next().clReleaseEvent(gate);
  }
  if (held != nullptr) next().clReleaseEvent(held);
  if (give_back != 0) queue->tenant()->settle(give_back, 0);
}

void Gates::forget(Command* command) {
  if (command->event != nullptr) unstarted_.erase(command->event);
  unstarted_count_.fetch_sub(1, std::memory_order_release);
  if (command->queue == nullptr) return;
  auto& blocked = command->queue->blocked;
  auto it = std::find(blocked.begin(), blocked.end(), command);
  if (it != blocked.end()) blocked.erase(it);
  if (command->queue->barrier == command) command->queue->barrier = nullptr;
}

void Gates::add_user_event(cl_event event) {
  auto* command = new Command();
  command->event = event;
  MutexLock lock(mutex_);
  unstarted_[event] = command;
  unstarted_count_.fetch_add(1, std::memory_order_release);
}

void Gates::user_event_set(cl_event event) {
  Command* command = nullptr;
  {
    MutexLock lock(mutex_);
    auto it = unstarted_.find(event);
    if (it == unstarted_.end() || it->second->queue != nullptr) return;
    command = it->second;
  }
  start(command);
}

bool Gates::is_unset_user_event(cl_event event) {
  if (unstarted_count_.load(std::memory_order_acquire) == 0) return false;
  MutexLock lock(mutex_);
  auto it = unstarted_.find(event);
  return it != unstarted_.end() && it->second->queue == nullptr;
}

}  // namespace flexai::limit::opencl
