"""Problems from anywhere: their sources, how rows are read, and the splits.

arithmetic  the embedded problems, generated
gsm8k       GSM8K (Cobbe et al. 2021)
math        MATH (Hendrycks et al. 2021), original split and that of PRM800K
prm800k     the raw PRM800K release (Lightman et al. 2023): correct step-by-step solutions
hub         data sets of the Hugging Face hub, through `datasets`
declared    data sets by name, declared in YAML; sets reads a whole one
files       files of rows, and what their values say: shared with samples of other programs
folders     the files of a folder by their split
load        a file, a folder or a hub data set -> problems by split
rows        a row with its place; columns and values find its roles, problems makes problems
where       conditions on rows
local       finds local copies of the named data sets, recognises Git-LFS pointers
splits      train, validation and test that never share a problem
overlap     problems of one set that are also in another
card        the data card of prepared problems
exports     collected rows in the forms that other trainers read
"""
