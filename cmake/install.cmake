# What `cmake --install BUILD [--prefix PREFIX]` puts where. Programs find their companions from their own place
# (apps/installation.h), so any prefix works; the unit gets the path of its program when it is installed.
set(pages ${CMAKE_BINARY_DIR}/share)
set(flexai ${CMAKE_BINARY_DIR}/bin/flexai)
add_custom_command(OUTPUT ${pages}/man/man1/flexai.1 ${pages}/completion/flexai ${pages}/completion/_flexai ${pages}/completion/flexai.fish
  COMMAND ${CMAKE_COMMAND} -E make_directory ${pages}/man/man1 ${pages}/completion
  COMMAND ${flexai} man > ${pages}/man/man1/flexai.1
  COMMAND ${flexai} completion bash > ${pages}/completion/flexai
  COMMAND ${flexai} completion zsh > ${pages}/completion/_flexai
  COMMAND ${flexai} completion fish > ${pages}/completion/flexai.fish
  DEPENDS flexai VERBATIM)
set(plugin ${CMAKE_BINARY_DIR}/bin/kubectl-flexai)
add_custom_command(OUTPUT ${pages}/man/man1/kubectl-flexai.1 ${pages}/completion/kubectl-flexai ${pages}/completion/_kubectl-flexai
    ${pages}/completion/kubectl-flexai.fish
  COMMAND ${CMAKE_COMMAND} -E make_directory ${pages}/man/man1 ${pages}/completion
  COMMAND ${plugin} man > ${pages}/man/man1/kubectl-flexai.1
  COMMAND ${plugin} completion bash > ${pages}/completion/kubectl-flexai
  COMMAND ${plugin} completion zsh > ${pages}/completion/_kubectl-flexai
  COMMAND ${plugin} completion fish > ${pages}/completion/kubectl-flexai.fish
  DEPENDS kubectl-flexai VERBATIM)
add_custom_target(flexai_pages ALL DEPENDS ${pages}/man/man1/flexai.1 ${pages}/man/man1/kubectl-flexai.1)

# What is installed, and nothing of the tests.
add_custom_target(product DEPENDS flexai_pages
  flexai flexai-example-pi flexaid flexai-webhook hi-scheduler hi-sim kubectl-flexai
  flexai-dra flexai-keeper flexai-outside flexai-probe-opencl flexai-worker flexai_opencl flexai_opencl_layer flexai-image-check)
install(TARGETS flexai flexai-example-pi flexaid flexai-webhook hi-scheduler hi-sim kubectl-flexai RUNTIME DESTINATION bin)
install(TARGETS flexai-dra flexai-keeper flexai-outside flexai-probe-opencl flexai-worker RUNTIME DESTINATION libexec/flexai)
install(TARGETS flexai_opencl flexai_opencl_layer LIBRARY DESTINATION lib/flexai)
install(TARGETS flexai-image-check RUNTIME DESTINATION lib/flexai)
install(DIRECTORY deploy/inject DESTINATION share/flexai FILES_MATCHING PATTERN "*.json")
install(FILES docs/api/openapi.json DESTINATION share/flexai)
# kubectl asks a program of this name what can follow `kubectl flexai`.
install(PROGRAMS deploy/kubectl_complete-flexai DESTINATION bin)
install(FILES ${pages}/man/man1/flexai.1 ${pages}/man/man1/kubectl-flexai.1 DESTINATION share/man/man1)
install(FILES deploy/man/flexaid.8 DESTINATION share/man/man8)
install(FILES ${pages}/completion/flexai ${pages}/completion/kubectl-flexai DESTINATION share/bash-completion/completions)
install(FILES ${pages}/completion/_flexai ${pages}/completion/_kubectl-flexai DESTINATION share/zsh/site-functions)
install(FILES ${pages}/completion/flexai.fish ${pages}/completion/kubectl-flexai.fish DESTINATION share/fish/vendor_completions.d)
install(FILES LICENSE DESTINATION share/doc/flexai)
install(FILES deploy/systemd/flexai-sysusers.conf DESTINATION lib/sysusers.d RENAME flexai.conf)
install(FILES deploy/systemd/flexai-tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME flexai.conf)
install(CODE "
  file(READ \"${CMAKE_SOURCE_DIR}/deploy/systemd/flexaid.service\" unit)
  string(REPLACE /usr/bin/flexaid \"\${CMAKE_INSTALL_PREFIX}/bin/flexaid\" unit \"\${unit}\")
  set(file \"\${CMAKE_INSTALL_PREFIX}/lib/systemd/system/flexaid.service\")
  message(STATUS \"Installing: \$ENV{DESTDIR}\${file}\")
  file(WRITE \"\$ENV{DESTDIR}\${file}\" \"\${unit}\")
  list(APPEND CMAKE_INSTALL_MANIFEST_FILES \"\${file}\")")
