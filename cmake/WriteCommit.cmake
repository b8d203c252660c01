# cmake -DSOURCE=... -DOUTPUT=... -P WriteCommit.cmake: writes a source file that names the commit
# of the tree, and leaves it alone if nothing changed, so that nothing is compiled in vain.
execute_process(
  COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude *
  OUTPUT_VARIABLE commit ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE code)
if(NOT code EQUAL 0 OR commit STREQUAL "")
  set(commit unknown)  # No repository, as in a release archive.
endif()
set(text "#include \"cli/version.h\"\n\nnamespace worldline::cli {\n\n")
string(APPEND text "const char* const kCommit = \"${commit}\";\n\n}  // namespace worldline::cli\n")
set(before "")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} before)
endif()
if(NOT before STREQUAL text)
  file(WRITE ${OUTPUT} "${text}")
endif()
