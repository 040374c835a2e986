"""The sources of problems, one file per source, and the splits.

arithmetic  the embedded problems, generated
gsm8k       GSM8K (Cobbe et al. 2021)
math        MATH (Hendrycks et al. 2021), original split and that of PRM800K
prm800k     the raw PRM800K release (Lightman et al. 2023): correct step-by-step solutions
hub         data sets of the Hugging Face hub, through `datasets`
files       files of rows, and what their values say: shared with samples of other programs
rows        a row of any file or data set -> Problem; JSON Lines files and folders of them
local       finds local copies of the named data sets, recognises Git-LFS pointers
splits      train, validation and test that never share a problem
"""
