// Forward and inverse FFT by clFFT, checked to give back the signal: an unmodified compute program.
//   fft-clfft [REPEAT]      exit code 1 when the result is wrong; prints a digest of the spectrum
#include <clFFT.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <vector>

namespace {

void must(int rc, const char* what) {
  if (rc == 0) return;
  fprintf(stderr, "%s: error %d\n", what, rc);
  exit(3);
}

}  // namespace

int main(int argc, char** argv) {
  int repeat = argc > 1 ? atoi(argv[1]) : 20;
  constexpr size_t kPoints = 4096;
  cl_platform_id platform;
  cl_device_id device;
  must(clGetPlatformIDs(1, &platform, nullptr), "clGetPlatformIDs");
  must(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, nullptr), "clGetDeviceIDs");
  cl_int rc;
  cl_context context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &rc);
  must(rc, "clCreateContext");
  cl_command_queue queue = clCreateCommandQueueWithProperties(context, device, nullptr, &rc);
  must(rc, "clCreateCommandQueueWithProperties");
  std::vector<float> signal(kPoints * 2), back(kPoints * 2), spectrum(kPoints * 2);
  for (size_t i = 0; i < kPoints; ++i) signal[2 * i] = std::sin(static_cast<float>(i) * 0.1f);
  cl_mem buffer = clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                                 signal.size() * sizeof(float), signal.data(), &rc);
  must(rc, "clCreateBuffer");
  clfftSetupData setup;
  must(clfftInitSetupData(&setup), "clfftInitSetupData");
  must(clfftSetup(&setup), "clfftSetup");
  clfftPlanHandle plan;
  size_t lengths[1] = {kPoints};
  must(clfftCreateDefaultPlan(&plan, context, CLFFT_1D, lengths), "clfftCreateDefaultPlan");
  must(clfftSetPlanPrecision(plan, CLFFT_SINGLE), "precision");
  must(clfftSetLayout(plan, CLFFT_COMPLEX_INTERLEAVED, CLFFT_COMPLEX_INTERLEAVED), "layout");
  must(clfftSetResultLocation(plan, CLFFT_INPLACE), "location");
  must(clfftBakePlan(plan, 1, &queue, nullptr, nullptr), "clfftBakePlan");
  for (int i = 0; i < repeat; ++i) {
    must(clfftEnqueueTransform(plan, CLFFT_FORWARD, 1, &queue, 0, nullptr, nullptr, &buffer,
                               nullptr, nullptr),
         "forward");
    if (i == 0)
      must(clEnqueueReadBuffer(queue, buffer, CL_TRUE, 0, spectrum.size() * sizeof(float),
                               spectrum.data(), 0, nullptr, nullptr),
           "read");
    must(clfftEnqueueTransform(plan, CLFFT_BACKWARD, 1, &queue, 0, nullptr, nullptr, &buffer,
                               nullptr, nullptr),
         "backward");
  }
  must(clEnqueueReadBuffer(queue, buffer, CL_TRUE, 0, back.size() * sizeof(float), back.data(), 0,
                           nullptr, nullptr),
       "read");
  float worst = 0;
  for (size_t i = 0; i < back.size(); ++i) worst = std::max(worst, std::fabs(back[i] - signal[i]));
  double energy = 0;
  for (float x : spectrum) energy += static_cast<double>(x) * x;
  printf("energy %.6e, worst %s\n", energy, worst < 1e-3f ? "small" : "LARGE");
  clfftDestroyPlan(&plan);
  clfftTeardown();
  return worst < 1e-3f ? 0 : 1;
}
