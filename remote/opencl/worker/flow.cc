#include "remote/opencl/worker/flow.h"

#include "remote/opencl/link_calls.h"
#include "remote/opencl/worker/worker.h"

namespace flexai::remote::opencl {

std::shared_ptr<Gate> Gate::make(Worker& worker, cl_command_queue queue, cl_int& code) {
  const Table& table = worker.table();
  cl_context context = nullptr;
  code = table.clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof context, &context, nullptr);
  if (code != CL_SUCCESS) return nullptr;
  const cl_event event = table.clCreateUserEvent(context, &code);
  if (code != CL_SUCCESS) return nullptr;
  return std::shared_ptr<Gate>(new Gate(worker, event));
}

Gate::~Gate() {
  if (!open_) open(CL_OUT_OF_RESOURCES);
  worker_.table().clReleaseEvent(event_);
}

void Gate::open(cl_int status) {
  open_ = true;
  worker_.table().clSetUserEventStatus(event_, status);
  if (status < 0) worker_.watches().sweep();
}

std::vector<cl_event> Gate::with(const Waits& waits) const {
  if ((waits.count == 0) != (waits.list == nullptr)) return {};
  std::vector<cl_event> all(waits.list, waits.list + waits.count);
  all.push_back(event_);
  return all;
}

void flow_in(Worker& worker, uint64_t transfer, std::span<std::byte> into,
             std::shared_ptr<Gate> gate, std::function<void()> then) {
  const auto expected = worker.bulk().expect(transfer, into);
  worker.receiver().post(
      [&worker, transfer, expected, gate = std::move(gate), then = std::move(then)] {
        const bool came = expected.ok() && worker.bulk().wait_received(transfer, 0).ok();
        if (came && then) then();
        gate->open(came ? CL_COMPLETE : CL_OUT_OF_RESOURCES);
      });
}

namespace {

struct Open {
  std::shared_ptr<Gate> gate;
  std::span<std::byte> bytes;
  cl_event there = nullptr;  // they may be touched
};

// Maps the range and lets the unmapping, which is what the client's event stands for, wait.
cl_int open(Incoming& call, const BufferRange& range, cl_map_flags flags, cl_uint waits,
            const Values<cl_event>& list, ObjectId event, Open& made) {
  Worker& worker = call.worker();
  const Table& table = call.table();
  cl_int code = CL_SUCCESS;
  made.gate = Gate::make(worker, range.queue, code);
  if (made.gate == nullptr) return code;
  void* at = table.clEnqueueMapBuffer(range.queue, range.buffer, CL_FALSE, flags, range.offset,
                                      range.size, waits, list.data(), &made.there, &code);
  if (code != CL_SUCCESS || at == nullptr) return code != CL_SUCCESS ? code : CL_MAP_FAILURE;
  made.bytes = {static_cast<std::byte*>(at), range.size};
  const auto gate = made.gate->with({});
  cl_event done = nullptr;
  code = table.clEnqueueUnmapMemObject(range.queue, range.buffer, at, 1, gate.data(), &done);
  if (code != CL_SUCCESS) {
    table.clReleaseEvent(made.there);
    return code;
  }
  table.clRetainEvent(made.there);  // for its times
  worker.keep_event(event, done, [&worker, event, there = made.there](cl_event end, cl_int status) {
    worker.completed(event, status, worker.times_of(there, end));
    worker.table().clReleaseEvent(there);
  });
  table.clFlush(range.queue);
  return CL_SUCCESS;
}

}  // namespace

cl_int flow_write(Incoming& call, const BufferRange& to, uint64_t transfer, cl_uint waits,
                  const Values<cl_event>& list, ObjectId event) {
  Open made;
  const cl_int code = open(call, to, CL_MAP_WRITE_INVALIDATE_REGION, waits, list, event, made);
  if (code != CL_SUCCESS) return code;
  Worker& worker = call.worker();
  worker.watches().add(made.there, [&worker, transfer, made](cl_event, cl_int status) {
    if (status >= 0) return flow_in(worker, transfer, made.bytes, made.gate, {});
    worker.receiver().post([gate = made.gate, status] { gate->open(status); });
  });
  call.table().clReleaseEvent(made.there);
  return code;
}

namespace {

// To the client, then the gate opens.
void flow_out(Worker& worker, uint64_t transfer, const Open& made, cl_int status) {
  worker.sender().post([&worker, transfer, made, status] {
    bool sent = status >= 0 && worker.bulk().send(transfer, made.bytes).ok();
    sent = sent && worker.bulk().wait_sent(transfer, 0).ok();
    if (!sent) worker.bulk().cancel_send(transfer);  // which the client is ready for
    made.gate->open(status < 0 ? status : sent ? CL_COMPLETE : CL_OUT_OF_RESOURCES);
  });
}

}  // namespace

cl_int flow_read(Incoming& call, const BufferRange& from, cl_uint waits,
                 const Values<cl_event>& list, ObjectId event) {
  Open made;
  const cl_int code = open(call, from, CL_MAP_READ, waits, list, event, made);
  if (code != CL_SUCCESS) return code;
  Worker& worker = call.worker();
  worker.watches().add(made.there, [&worker, event, made](cl_event, cl_int status) {
    flow_out(worker, event, made, status);
  });
  call.table().clReleaseEvent(made.there);
  return code;
}

cl_int flow_over(Incoming& call, const BufferRange& from, Over over, cl_uint waits,
                 const Values<cl_event>& list, ObjectId event) {
  Open made;
  const cl_int code = open(call, from, CL_MAP_READ, waits, list, event, made);
  if (code != CL_SUCCESS) return code;
  Worker& worker = call.worker();
  worker.watches().add(made.there, [&worker, event, made, over](cl_event, cl_int status) {
    if (status < 0) return flow_out(worker, event, made, status);
    worker.links()->send(over.link, over.ticket, made.bytes,
                         [&worker, event, made](const base::Status& sent) {
                           if (!sent.ok()) return flow_out(worker, event, made, CL_COMPLETE);
                           worker.bulk().cancel_send(event);  // which the client is ready for
                           wire::Writer writer;
                           writer.handle(event);
                           [[maybe_unused]] auto said =
                               worker.dispatcher().push(kMoved, writer.bytes(), wire::Push::kLater);
                           made.gate->open(CL_COMPLETE);
                         });
  });
  call.table().clReleaseEvent(made.there);
  return code;
}

}  // namespace flexai::remote::opencl
