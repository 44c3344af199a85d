#include "remote/opencl/wide/direct.h"

#include <new>

#include "remote/message.h"
#include "remote/opencl/client/direct.h"
#include "wire/hello.h"

namespace flexai::remote::opencl::wide {

namespace {

// One move, until its gate has ended. Held by whoever acts next.
struct DirectMove {
  WideContext* context = nullptr;  // held
  cl_mem to = nullptr;             // held
  cl_command_queue from_queue = nullptr, to_queue = nullptr;
  cl_event gate = nullptr, over = nullptr;  // held
  MoveTicket ticket{};
  size_t begin = 0, size = 0;
  cl_int sent = CL_COMPLETE;
  std::unique_ptr<std::byte[]> bytes;  // when they come here after all
};

void end(DirectMove* move, cl_int status) {
  below().clSetUserEventStatus(move->gate, status < 0 ? status : CL_COMPLETE);
  below().clReleaseEvent(move->gate);
  below().clReleaseEvent(move->over);
  below().clReleaseMemObject(move->to);
  drop(move->context);
  delete move;
}

void CL_CALLBACK on_written(cl_event event, cl_int status, void* data) {
  below().clReleaseEvent(event);
  end(static_cast<DirectMove*>(data), status);
}

// The target's driver does nothing more to the place.
void CL_CALLBACK on_over(cl_event, cl_int, void* data) {
  auto* move = static_cast<DirectMove*>(data);
  if (move->sent < 0) return end(move, move->sent);
  cl_event written = nullptr;
  const cl_int code =
      below().clEnqueueWriteBuffer(move->to_queue, move->to, CL_FALSE, move->begin, move->size,
                                   move->bytes.get(), 0, nullptr, &written);
  if (code != CL_SUCCESS) return end(move, code);
  send_now(move->to_queue, written);
  if (below().clSetEventCallback(written, CL_COMPLETE, on_written, move) != CL_SUCCESS)
    on_written(written, CL_OUT_OF_RESOURCES, move);
}

void CL_CALLBACK on_sent(cl_event event, cl_int status, void* data) {
  auto* move = static_cast<DirectMove*>(data);
  const bool went = status == CL_COMPLETE && direct_went(event);
  below().clReleaseEvent(event);
  if (went) return end(move, CL_COMPLETE);
  move->sent = status;
  if (status == CL_COMPLETE) direct_broke(move->from_queue, move->to_queue);
  direct_forget(move->to_queue, move->ticket);
  if (below().clSetEventCallback(move->over, CL_COMPLETE, on_over, move) != CL_SUCCESS)
    end(move, CL_OUT_OF_RESOURCES);
}

std::unique_ptr<DirectMove> plan(WideMem* root, const Ranges::Move& move, Place to, cl_mem real) {
  std::unique_ptr<DirectMove> made(new DirectMove);
  auto ticket = wire::random_key();
  if (!ticket.ok()) return nullptr;
  made->context = root->context();
  made->to = real;
  made->from_queue = root->context()->hosts[move.from].mover;
  made->to_queue = root->context()->hosts[to].mover;
  made->ticket = *ticket;
  made->begin = move.begin;
  made->size = move.end - move.begin;
  // Not touched unless they come here.
  made->bytes.reset(new (std::nothrow) std::byte[made->size]);
  return made->bytes == nullptr ? nullptr : std::move(made);
}

cl_int begin(DirectMove* move, cl_mem from, const EventArrival* after, const std::string& link,
             cl_event* sent) {
  const cl_event* wait = after == nullptr ? nullptr : &after->event;
  cl_int code =
      direct_expect(move->to_queue, move->to, move->begin, move->size, move->ticket, &move->over);
  if (code != CL_SUCCESS) return code;
  below().clFlush(move->to_queue);
  const DirectSend what{
      from, move->begin, move->size,  move->bytes.get(), wait == nullptr ? 0u : 1u,
      wait, link,        move->ticket};
  code = direct_send(move->from_queue, what, sent);
  if (code == CL_SUCCESS) return code;
  direct_forget(move->to_queue, move->ticket);
  below().clReleaseEvent(move->over);
  return code;
}

}  // namespace

std::optional<cl_event> go_direct(WideMem* root, const Ranges::Move& asked, Place to, cl_mem real) {
  if (!has_direct() || !root->is_bytes() || asked.end - asked.begin < kBulkBytes) return {};
  const auto& hosts = root->context()->hosts;
  const std::string link = direct_link(hosts[asked.from].mover, hosts[to].mover);
  if (link.empty()) return {};
  auto move = plan(root, asked, to, real);
  if (move == nullptr) return {};
  cl_int code = CL_SUCCESS;
  move->gate = below().clCreateUserEvent(hosts[to].context, &code);
  if (code != CL_SUCCESS) return {};
  const auto* after = static_cast<const EventArrival*>(asked.after.get());
  if (after != nullptr && after->queue != nullptr) below().clFlush(after->queue);
  cl_event sent = nullptr;
  if (begin(move.get(), root->reals[asked.from], after, link, &sent) != CL_SUCCESS) {
    below().clReleaseEvent(move->gate);
    return {};
  }
  const cl_event gate = move->gate;
  send_now(hosts[to].mover, move->over);
  send_now(hosts[asked.from].mover, sent);
  below().clRetainEvent(gate);
  below().clRetainMemObject(real);
  hold(move->context);
  DirectMove* goes = move.release();
  if (below().clSetEventCallback(sent, CL_COMPLETE, on_sent, goes) != CL_SUCCESS)
    on_sent(sent, CL_OUT_OF_RESOURCES, goes);
  return gate;
}

}  // namespace flexai::remote::opencl::wide
